// The part of JSON Schema that the page needs: the ordered inputs of a model, and validation of values.

export function inputs(document) {
  const schemas = document.components?.schemas ?? {};
  const input = schemas.Input ?? { properties: {} };
  const order = (name) => input.properties[name]["x-order"] ?? Infinity;
  return Object.keys(input.properties ?? {})
    .sort((a, b) => order(a) - order(b))
    .map((name) => ({
      name,
      required: (input.required ?? []).includes(name),
      schema: plain(input.properties[name], schemas),
    }));
}

// Resolves references and `allOf`, and drops null from unions: a form does not need them.
function plain(schema, schemas) {
  if (schema.$ref) return plain({ ...schemas[schema.$ref.split("/").pop()], ...without(schema, "$ref") }, schemas);
  if (schema.allOf) return plain({ ...Object.assign({}, ...schema.allOf), ...without(schema, "allOf") }, schemas);
  if (schema.anyOf) {
    const some = schema.anyOf.filter((member) => member.type !== "null");
    if (some.length === 1) return plain({ ...some[0], ...without(schema, "anyOf") }, schemas);
  }
  return schema.items ? { ...schema, items: plain(schema.items, schemas) } : schema;
}

function without(schema, key) {
  const { [key]: _, ...rest } = schema;
  return rest;
}

export function isFile(schema) {
  return schema.type === "string" && schema.format === "uri";
}

// A secret, or a list of them.
export function isSecret(schema) {
  return (schema.items ?? schema).format === "password";
}

// True if the strings of a list output are parts of one text.
export function joinsOutput(document) {
  return document?.components?.schemas?.Output?.["x-cog-array-display"] === "concatenate";
}

export function isStreaming(document) {
  return document?.paths?.["/predictions"]?.post?.["x-cog-streaming"] === true;
}

export function problems(value, fields) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return ["the input must be an object"];
  const known = fields.map((field) => field.name);
  const unknown = Object.keys(value).filter((name) => !known.includes(name));
  return [
    ...unknown.map((name) => `unknown input "${name}"; valid inputs are: ${known.join(", ")}`),
    ...fields.flatMap((field) => {
      if (!(field.name in value)) return field.required ? [`missing required input "${field.name}"`] : [];
      const fault = faultOf(value[field.name], field.schema);
      return fault ? [`invalid input "${field.name}": ${fault}`] : [];
    }),
  ];
}

function faultOf(value, schema) {
  if (value === null || !schema.type) return null; // left to the server's validation
  const type = typeOf(value);
  const fits = type === schema.type || (type === "integer" && schema.type === "number");
  if (!fits) return `expected ${schema.type}, got ${type}`;
  if (schema.enum && !schema.enum.includes(value)) return `must be one of: ${schema.enum.join(", ")}`;
  if (schema.minimum !== undefined && value < schema.minimum) return `must be at least ${schema.minimum}`;
  if (schema.maximum !== undefined && value > schema.maximum) return `must be at most ${schema.maximum}`;
  if (schema.maxLength !== undefined && value.length > schema.maxLength) return `longer than ${schema.maxLength}`;
  if (schema.minLength !== undefined && value.length < schema.minLength) return `shorter than ${schema.minLength}`;
  if (schema.pattern && !new RegExp(schema.pattern).test(value)) return `does not match ${schema.pattern}`;
  return null;
}

function typeOf(value) {
  if (Array.isArray(value)) return "array";
  if (Number.isInteger(value)) return "integer";
  return typeof value;
}
