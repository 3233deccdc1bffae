import { Model, events } from "./api.js";
import { InputForm, dataUrl } from "./form.js";
import { short, showOutput } from "./output.js";
import { inputs, problems } from "./schema.js";

const HEALTH_PAUSE_MS = 3000;
const $ = (id) => document.getElementById(id);
const form = new InputForm($("fields"));
let model, config, running, fields = [], usesJson = false;

function showTabs(nav, choose) {
  $(nav).addEventListener("click", ({ target }) => {
    if (!target.dataset.tab) return;
    for (const button of $(nav).children) button.ariaPressed = String(button === target);
    choose(target.dataset.tab);
  });
}

async function connect() {
  model = new Model($("target").value);
  $("setup").textContent = "";
  const asked = model;
  await checkHealth(asked);
  try {
    const document = await asked.json("/openapi.json");
    if (asked !== model) return;
    fields = inputs(document);
    form.show(fields);
    $("json").value = JSON.stringify(Object.fromEntries(fields.filter((f) => f.required).map((f) => [f.name, f.schema.default ?? ""])), null, 2);
    $("schema").textContent = JSON.stringify(document, null, 2);
  } catch (error) {
    if (asked === model) $("schema").textContent = `no schema: ${error.message}`;
  }
}

async function checkHealth(asked) {
  let text = "unreachable", isGood = false;
  try {
    const health = await asked.json("/health-check");
    text = health.status;
    isGood = ["READY", "BUSY"].includes(text);
    if (asked === model) $("setup").textContent = health.setup?.logs || "setup() printed nothing.";
  } catch (error) {
    if (asked === model) $("setup").textContent = error.message;
  }
  if (asked !== model) return;
  const cameUp = isGood && !$("health").classList.contains("good") && !fields.length;
  $("health").textContent = text;
  $("health").className = `badge ${isGood ? "good" : "bad"}`;
  if (cameUp && $("schema").textContent.startsWith("no schema")) connect();
}

async function givenInput() {
  const value = usesJson ? await withFiles(JSON.parse($("json").value)) : await form.value();
  const found = problems(value, fields);
  if (found.length) throw new Error(found.join("\n"));
  return value;
}

// In JSON, "@" opens a file picker: a page cannot read a path.
async function withFiles(value) {
  for (const [name, text] of Object.entries(value)) {
    if (text === "@") value[name] = await dataUrl(await chooseFile());
  }
  return value;
}

function chooseFile() {
  return new Promise((resolve, reject) => {
    const picker = Object.assign(document.createElement("input"), { type: "file" });
    picker.onchange = () => resolve(picker.files[0]);
    picker.oncancel = () => reject(new Error("no file was chosen"));
    picker.click();
  });
}

async function run() {
  $("problems").textContent = "";
  $("run").disabled = true; // before the files are read, which takes a while
  let input;
  try {
    input = await givenInput();
  } catch (error) {
    $("problems").textContent = error.message;
    $("run").disabled = false;
    return;
  }
  const mode = $("run-form").elements.mode.value;
  const id = $("prediction-id").value.trim() || (mode === "sync" ? "" : crypto.randomUUID());
  running = { id, abort: new AbortController() };
  $("cancel").disabled = false;
  showOutput($("output"), null);
  $("logs").textContent = "";
  setStatus("running…");
  try {
    await { sync: askSync, stream: askStream, async: askAsync }[mode](input, id);
  } catch (error) {
    setStatus(error.name === "AbortError" ? "canceled" : error.message, "bad");
  } finally {
    running.source?.close();
    $("run").disabled = false;
    $("cancel").disabled = true;
    inspect();
  }
}

function ask(body, id, headers) {
  const [method, path] = id ? ["PUT", `/predictions/${encodeURIComponent(id)}`] : ["POST", "/predictions"];
  return model.fetch(method, path, { body, headers, signal: running.abort.signal, inspect: true });
}

async function askSync(input, id) {
  const response = await ask({ input }, id, {});
  show(await response.json(), response.status);
}

async function askStream(input, id) {
  const response = await ask({ input }, id, { Accept: "text/event-stream" });
  if (!response.headers.get("Content-Type").startsWith("text/event-stream")) {
    return show(await response.json(), response.status);
  }
  const items = [];
  for await (const { name, data } of events(response)) {
    if (name === "output") {
      items.push(data.chunk);
      showOutput($("output"), items);
    } else if (name === "log") $("logs").textContent += data.data;
    else if (name === "completed" || name === "error") show(data, response.status);
    else setStatus(data.status ?? name);
  }
}

async function askAsync(input, id) {
  const token = crypto.randomUUID();
  const source = new EventSource(`/events?token=${token}`);
  running.source = source;
  let hasReceived = false; // a webhook may arrive before the response, and its state is newer
  const ended = new Promise((resolve) => {
    source.onmessage = ({ data }) => {
      hasReceived = true;
      const prediction = JSON.parse(data);
      show(prediction, 200);
      if (["succeeded", "failed", "canceled"].includes(prediction.status)) resolve();
    };
    running.abort.signal.addEventListener("abort", resolve);
  });
  const chosen = [...document.querySelectorAll("[name=event]:checked")].map((box) => box.value);
  const webhook = `${$("webhook-url").value.replace(/\/+$/, "")}/webhook/${token}`;
  const body = { input, webhook, webhook_events_filter: chosen };
  const response = await ask(body, id, { Prefer: "respond-async" });
  const answer = await response.json();
  if (!response.ok) return show(answer, response.status);
  if (!chosen.length) setStatus(`${answer.status}; no webhooks were requested`);
  else if (!hasReceived) setStatus(`${answer.status}, waiting for webhooks`);
  if (chosen.includes("completed")) await ended;
}

async function cancel() {
  if (running.id) await model.fetch("POST", `/predictions/${encodeURIComponent(running.id)}/cancel`);
  else running.abort.abort(); // the server cancels a sync prediction when its client disconnects
}

function show(answer, status) {
  if (answer.detail) {
    const lines = Array.isArray(answer.detail) ? answer.detail.map((d) => `${d.loc?.at(-1)}: ${d.msg}`) : [answer.detail];
    return setStatus(`status ${status}\n${lines.join("\n")}`, "bad");
  }
  if (answer.logs) $("logs").textContent = answer.logs;
  showOutput($("output"), answer.output);
  const time = answer.metrics?.predict_time;
  const facts = [answer.status ?? `status ${status}`, time !== undefined && `${time.toFixed(3)} s`, answer.error];
  const kind = answer.status === "succeeded" ? "good" : answer.error ? "bad" : "quiet";
  setStatus(facts.filter(Boolean).join(" · "), kind);
}

function setStatus(text, kind = "quiet") {
  $("status").textContent = text;
  $("status").className = kind;
}

function inspect() {
  if (!model.last) return;
  const { sent, status, headers, ms } = model.last;
  const lines = (pairs) => Object.entries(pairs).map(([name, value]) => `${name}: ${value}`).join("\n");
  $("request").textContent = [
    `${sent.method} ${sent.url}`, lines(sent.headers), "", JSON.stringify(sent.body, short, 2), "",
    `status ${status}, headers after ${ms} ms`, lines(headers),
  ].join("\n");
}

showTabs("input-tabs", (tab) => {
  usesJson = tab === "json";
  $("fields").hidden = usesJson;
  $("json-pane").hidden = !usesJson;
});
showTabs("output-tabs", (tab) => {
  for (const pane of ["output", "logs", "request", "schema", "setup"]) $(pane).hidden = pane !== tab;
});
$("target-form").addEventListener("submit", (event) => { event.preventDefault(); connect(); });
$("run-form").addEventListener("submit", (event) => { event.preventDefault(); run(); });
$("run-form").addEventListener("change", ({ target }) => { if (target.name === "mode") $("webhook").hidden = target.value !== "async"; });
$("cancel").addEventListener("click", cancel);
$("theme").addEventListener("click", () => {
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (isDark ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
});

config = await (await fetch("/config")).json();
$("target").value = config.target;
$("webhook-url").value = config.webhookBase;
$("version").textContent = `cog ${config.cogVersion}`;
await connect();
setInterval(() => checkHealth(model), HEALTH_PAUSE_MS);
