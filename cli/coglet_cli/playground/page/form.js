// The form for the inputs of a model.
import { element } from "./element.js";

export class InputForm {
  constructor(place) {
    this.place = place;
    this.fields = [];
  }

  show(fields) {
    this.fields = fields.map((field) => ({ ...field, control: controlOf(field) }));
    this.place.replaceChildren(...this.fields.map(row));
    if (!fields.length) this.place.append(element("p", { className: "quiet" }, "This model takes no inputs."));
  }

  // Returns the entered values, without empty ones, for which the model uses its defaults.
  async value() {
    const result = {};
    for (const { name, schema, control } of this.fields) {
      const value = await valueOf(control, schema);
      if (value !== undefined) result[name] = value;
    }
    return result;
  }
}

function row({ name, required, schema, control }) {
  control.id = `input-${name}`;
  const limits = [
    isFile(schema) ? "file" : (schema.type ?? "any"),
    schema.minimum !== undefined && `at least ${schema.minimum}`,
    schema.maximum !== undefined && `at most ${schema.maximum}`,
    schema.maxLength !== undefined && `up to ${schema.maxLength} characters`,
    schema.default !== undefined && `default ${JSON.stringify(schema.default)}`,
    required && "required",
  ].filter(Boolean);
  return element("div", { className: "field" },
    element("label", { htmlFor: control.id }, name, " ", element("span", { className: "quiet" }, limits.join(", "))),
    schema.description ? element("p", { className: "quiet" }, schema.description) : "",
    control);
}

function controlOf({ schema, required }) {
  if (schema.enum) {
    const options = schema.enum.map((value) => element("option", { value: JSON.stringify(value) }, String(value)));
    const first = required ? [] : [element("option", { value: "" }, "default")];
    return element("select", {}, ...first, ...options);
  }
  if (schema.type === "boolean") {
    const names = required ? ["true", "false"] : ["", "true", "false"];
    return element("select", {}, ...names.map((name) => element("option", { value: name }, name || "default")));
  }
  if (isFile(schema)) return element("input", { type: "file", accept: schema["x-cog-accept"] ?? "" });
  if (schema.type === "array" && isFile(schema.items ?? {})) return element("input", { type: "file", multiple: true });
  if (schema.type === "integer" || schema.type === "number") {
    const step = schema.type === "integer" ? 1 : "any";
    return element("input", { type: "number", step, min: schema.minimum ?? "", max: schema.maximum ?? "" });
  }
  if (schema.format === "password") return element("input", { type: "password", autocomplete: "off" });
  const hint = schema.type === "string" ? "" : "JSON";
  return element("textarea", { rows: schema.type === "string" ? 2 : 4, placeholder: hint });
}

function isFile(schema) {
  return schema.type === "string" && schema.format === "uri";
}

async function valueOf(control, schema) {
  if (control.type === "file") {
    const urls = await Promise.all([...control.files].map(dataUrl));
    if (!urls.length) return undefined;
    return control.multiple ? urls : urls[0];
  }
  const text = control.value;
  if (text === "") return undefined;
  if (schema.enum) return JSON.parse(text);
  if (schema.type === "string") return text;
  try {
    return JSON.parse(text);
  } catch {
    return text; // not JSON: reported by the validation, with the name of the input
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
