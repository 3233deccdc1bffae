// Code that runs the entered prediction: curl, Python with `replicate`, JavaScript.
import { FileName } from "./controls.js";

export const LANGUAGES = { curl, python, javascript };

// `call` has the server's `url`, the `model` as owner/name, the `input`, and whether it `needsToken` and `isStreaming`.
function curl({ url, input, needsToken, isStreaming }) {
  const lines = [
    `curl ${isStreaming ? "--no-buffer " : ""}${shellQuoted(`${url}/predictions`)}`,
    "-H 'Content-Type: application/json'",
    needsToken && '-H "Authorization: Bearer $COG_API_TOKEN"',
    isStreaming && "-H 'Accept: text/event-stream'",
    `-d ${shellQuoted(JSON.stringify({ input }, withFileNames, 2))}`,
  ];
  return lines.filter(Boolean).join(" \\\n  ");
}

function python({ url, model, input, needsToken, isStreaming }) {
  const call = `${pythonValue(model)}, input=${pythonValue(input)}`;
  return [
    "import os",
    "",
    `os.environ["REPLICATE_BASE_URL"] = ${pythonValue(url)}`,
    `os.environ["REPLICATE_API_TOKEN"] = ${needsToken ? 'os.environ["COG_API_TOKEN"]' : '"none"'}`,
    "import replicate",
    "",
    isStreaming ? `for event in replicate.stream(${call}):\n    print(event, end="")` : `print(replicate.run(${call}))`,
  ].join("\n");
}

function javascript({ url, input, needsToken }) {
  const headers = ['"Content-Type": "application/json"', needsToken && "Authorization: `Bearer ${process.env.COG_API_TOKEN}`"];
  return [
    `const response = await fetch(${JSON.stringify(`${url}/predictions`)}, {`,
    '  method: "POST",',
    `  headers: { ${headers.filter(Boolean).join(", ")} },`,
    `  body: JSON.stringify(${JSON.stringify({ input }, withFileNames, 2).replaceAll("\n", "\n  ")}),`,
    "});",
    "const prediction = await response.json();",
    "console.log(prediction.status, prediction.output);",
  ].join("\n");
}

function withFileNames(_key, value) {
  return value instanceof FileName ? `data URL of ${value.name}` : value;
}

function shellQuoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function pythonValue(value, indent = "") {
  if (value instanceof FileName) return `open(${JSON.stringify(value.name)}, "rb")`;
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const inner = `${indent}    `;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const items = Array.isArray(value)
    ? value.map((each) => pythonValue(each, inner))
    : Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${pythonValue(each, inner)}`);
  return items.length ? `${open}\n${items.map((item) => `${inner}${item},\n`).join("")}${indent}${close}` : open + close;
}
