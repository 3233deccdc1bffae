// The form for the inputs of a model.
import { control } from "./controls.js";
import { element } from "./element.js";
import { isFile, isSecret } from "./schema.js";

const STOCK_TEXT = "An enumeration."; // of inputs with choices that the author has not described

export class InputForm {
  constructor(place) {
    this.place = place;
    this.fields = [];
  }

  show(fields) {
    this.fields = fields.map((field) => ({ ...field, control: control(field) }));
    this.place.replaceChildren(...this.fields.map(row));
    if (!fields.length) this.place.append(element("p", { className: "quiet" }, "This model takes no inputs."));
  }

  // Returns the entered values, without empty ones, for which the model uses its defaults.
  async value() {
    return Object.fromEntries(await this.entries((each) => each.value()));
  }

  // The same at once, with a FileName in place of each chosen file.
  async draft() {
    return Object.fromEntries(await this.entries((each) => each.draft()));
  }

  async entries(read) {
    const all = await Promise.all(this.fields.map(async ({ name, control }) => [name, await read(control)]));
    return all.filter(([, value]) => value !== undefined);
  }

  // Enters what an earlier form has returned, where the input is still there.
  restore(values) {
    for (const { name, control } of this.fields) if (name in values) control.set(values[name]);
  }

  // Fills the form; a secret that a record masks stays empty.
  fill(values) {
    for (const { name, schema, control } of this.fields) {
      control.set(isSecret(schema) ? undefined : values[name]);
    }
  }
}

function row({ name, required, schema, control }) {
  control.field.id = `input-${name}`;
  const limits = [
    kindOf(schema),
    schema.minimum !== undefined && `at least ${schema.minimum}`,
    schema.maximum !== undefined && `at most ${schema.maximum}`,
    schema.maxLength !== undefined && `up to ${schema.maxLength} characters`,
    schema.default !== undefined && schema.default !== null && `default ${JSON.stringify(schema.default)}`,
    required && "required",
  ].filter(Boolean);
  control.field.required = required;
  const about = element("p", { className: "quiet", id: `about-${name}` }, schema.description === STOCK_TEXT ? "" : schema.description ?? "");
  control.field.setAttribute("aria-describedby", about.id);
  return element("div", { className: "field" },
    element("label", { htmlFor: control.field.id }, title(schema, name), " ", element("span", { className: "quiet" }, limits.join(", "))),
    about,
    control.element);
}

function title(schema, name) {
  return element("span", { className: "name", title: schema.title ?? name }, name);
}

function kindOf(schema) {
  if (isFile(schema)) return "file";
  if (schema.type === "array") return schema.items?.type ? `list of ${kindOf(schema.items)}s` : "list";
  return schema.format === "password" ? "secret" : (schema.type ?? "any value");
}
