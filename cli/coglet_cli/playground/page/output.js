// Shows the output of a model: text, images, audio and video as such, everything else as JSON.
import { element } from "./element.js";

const PLAYERS = { image: "img", audio: "audio", video: "video" };

export function showOutput(place, output) {
  if (output === null || output === undefined) return place.replaceChildren();
  const isText = Array.isArray(output) && output.every((item) => typeof item === "string" && !isUrl(item));
  const items = isText ? [output.join("")] : Array.isArray(output) && output.some(isUrl) ? output : [output];
  place.replaceChildren(...items.flatMap(shown));
}

function isUrl(value) {
  return typeof value === "string" && /^(data:|https?:\/\/)/.test(value);
}

function shown(item) {
  if (isUrl(item)) return [media(item)];
  if (typeof item === "string") return [element("pre", {}, item)];
  const files = files_in(item).map(media);
  return [element("pre", {}, JSON.stringify(item, short, 2)), ...files];
}

function files_in(value) {
  if (isUrl(value)) return [value];
  return value && typeof value === "object" ? Object.values(value).flatMap(files_in) : [];
}

function media(url) {
  const kind = /^data:([a-z]+)\//.exec(url)?.[1];
  const link = element("a", { href: url, download: "output" }, url.startsWith("data:") ? "Download" : url);
  // Files on other servers are linked, not loaded.
  if (!(kind in PLAYERS)) return element("p", {}, link);
  return element("p", {}, element(PLAYERS[kind], { src: url, controls: true, alt: "output of the model" }), " ", link);
}

// Truncates long strings for display, such as data URLs in JSON.
export function short(_key, value) {
  return typeof value === "string" && value.length > 300 ? `${value.slice(0, 120)}… (${value.length} characters)` : value;
}
