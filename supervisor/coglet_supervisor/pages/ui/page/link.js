// The part of the page's address after `#`: the view, and the inputs that a link holds. It never leaves the browser.
import { FileName } from "./controls.js";
import { isSecret } from "./schema.js";

const LONGEST = 16_000;
export const VIEWS = ["try", "predictions", "server"];

export function readAddress(hash) {
  const [path, query] = hash.replace(/^#/, "").split("?", 2);
  const [view, ...rest] = path.split("/");
  return {
    view: VIEWS.includes(view) ? view : "try",
    id: rest.length ? decoded(rest.join("/")) : null,
    input: inputOf(new URLSearchParams(query).get("input")),
  };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function inputOf(text) {
  try {
    const value = JSON.parse(text);
    return value && typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

export function predictionAddress(id) {
  return `#predictions/${encodeURIComponent(id)}`;
}

// The address with the inputs, without secrets and without the content of files; null if it is too long.
export function linkOf(input, fields) {
  const kept = fields
    .filter(({ name, schema }) => name in input && !isSecret(schema))
    .map(({ name }) => [name, input[name]])
    .filter(([, value]) => !holdsFile(value));
  const hash = `#try?input=${encodeURIComponent(JSON.stringify(Object.fromEntries(kept)))}`;
  return hash.length > LONGEST ? null : new URL(hash, location.href).href;
}

function holdsFile(value) {
  return [value].flat().some((each) => each instanceof FileName || (typeof each === "string" && each.startsWith("data:")));
}
