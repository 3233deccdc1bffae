// The controls of the form, one for each kind of input. A control has `element` to show, `field` to label, `value()`
// and `draft()` for what was entered (undefined if nothing was), and `set(value)`.
import { element } from "./element.js";
import { isFile, isSecret } from "./schema.js";

// Stands for a file that the user has chosen, where its content is not needed.
export class FileName {
  constructor(name) {
    this.name = name;
  }
}

export function control({ schema, required }) {
  if (schema.enum) return choice(schema, required);
  if (schema.type === "boolean") return choice({ enum: [true, false] }, required);
  if (isFile(schema)) return new FileControl(schema, false);
  if (schema.type === "array" && isFile(schema.items ?? {})) return new FileControl(schema.items, true);
  if (schema.type === "integer" || schema.type === "number") return number(schema);
  if (isSecret(schema)) {
    const isList = schema.type === "array";
    const field = element("input", { type: "password", autocomplete: "off", placeholder: isList ? "a JSON list" : "" });
    return new TextControl(field, isList ? fromJson : fromText, isList ? JSON.stringify : String);
  }
  if (schema.type === "string") return new TextControl(element("textarea", { rows: 2 }), fromText, String);
  if (schema.type === "array" && schema.items?.type === "string") {
    return new TextControl(element("textarea", { rows: 3, placeholder: "one per line, or JSON" }), fromLines, toJson);
  }
  return new TextControl(element("textarea", { rows: 4, placeholder: "JSON" }), fromJson, toJson);
}

class TextControl {
  constructor(field, read, write) {
    Object.assign(this, { field, element: field, read, write });
  }

  async value() {
    return this.field.value === "" ? undefined : this.read(this.field.value);
  }

  draft() {
    return this.value();
  }

  set(value) {
    this.field.value = value === undefined || value === null ? "" : this.write(value);
  }
}

const fromText = (text) => text;
const toJson = (value) => JSON.stringify(value, null, 2);

function fromJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text; // reported by the validation, with the name of the input
  }
}

function fromLines(text) {
  const value = fromJson(text);
  return Array.isArray(value) ? value : text.split("\n").filter(Boolean);
}

function choice(schema, required) {
  const options = schema.enum.map((value) => element("option", { value: JSON.stringify(value) }, String(value)));
  const first = required ? [] : [element("option", { value: "" }, "default")];
  return new TextControl(element("select", {}, ...first, ...options), fromJson, JSON.stringify);
}

function number(schema) {
  const step = schema.type === "integer" ? 1 : "any";
  const field = element("input", { type: "number", step, min: schema.minimum ?? "", max: schema.maximum ?? "", placeholder: schema.default ?? "" });
  return new TextControl(field, fromJson, String);
}

// Files from a picker or dropped here, or URLs, one per line.
class FileControl {
  constructor(schema, isMultiple) {
    this.isMultiple = isMultiple;
    this.kept = []; // data URLs from a record: too long to be shown as text
    this.field = element("input", { type: "file", accept: schema["x-cog-accept"] ?? "", multiple: isMultiple });
    this.urls = element("textarea", { rows: 1, placeholder: isMultiple ? "or URLs, one per line" : "or a URL", ariaLabel: "URL of the file", spellcheck: false });
    this.note = element("p", { className: "quiet note" });
    this.preview = element("div", { className: "preview" });
    this.element = element("div", { className: "drop" }, this.field, this.urls, this.note, this.preview);
    this.field.addEventListener("change", () => this.changed());
    this.element.addEventListener("dragover", (event) => this.over(event, true));
    this.element.addEventListener("dragleave", (event) => this.over(event, false));
    this.element.addEventListener("drop", (event) => this.drop(event));
    this.changed();
  }

  over(event, isOver) {
    event.preventDefault();
    this.element.classList.toggle("over", isOver);
  }

  drop(event) {
    this.over(event, false);
    const files = new DataTransfer();
    for (const file of [...event.dataTransfer.files].slice(0, this.isMultiple ? undefined : 1)) files.items.add(file);
    if (!files.files.length) return;
    this.field.files = files.files;
    this.field.dispatchEvent(new Event("change", { bubbles: true }));
  }

  changed() {
    const files = [...this.field.files];
    if (files.length) this.kept = [];
    for (const image of this.preview.children) URL.revokeObjectURL(image.src);
    const images = files.filter((file) => file.type.startsWith("image/")).map((file) => URL.createObjectURL(file));
    const kept = this.kept.filter((url) => url.startsWith("data:image/"));
    this.preview.replaceChildren(...[...images, ...kept].slice(0, 8).map((src) => element("img", { src, alt: "chosen image" })));
    const names = files.map((file) => file.name);
    this.note.textContent = this.kept.length ? `${this.kept.length} file(s) of the earlier prediction` : (names.length > 1 && names.join(", ")) || "Drop here, or choose.";
  }

  entered() {
    return this.urls.value.split("\n").map((line) => line.trim()).filter(Boolean);
  }

  async value() {
    return this.pack(await Promise.all([...this.field.files].map(dataUrl)));
  }

  async draft() {
    return this.pack([...this.field.files].map((file) => new FileName(file.name)));
  }

  pack(files) {
    const all = [...this.kept, ...files, ...this.entered()];
    if (!all.length) return undefined;
    return this.isMultiple ? all : all[0];
  }

  set(value) {
    const all = value === undefined || value === null ? [] : [value].flat().map(String);
    this.field.value = "";
    this.kept = all.filter((url) => url.startsWith("data:"));
    this.urls.value = all.filter((url) => !url.startsWith("data:")).join("\n");
    this.changed();
  }
}

export function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}
