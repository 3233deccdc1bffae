// The view Try: run predictions and look at what they return.
import { reason } from "./api.js";
import { LANGUAGES } from "./code.js";
import { dataUrl } from "./controls.js";
import { $, tabs } from "./element.js";
import { InputForm } from "./form.js";
import { duration, json } from "./format.js";
import { linkOf } from "./link.js";
import { LongText, OutputView } from "./output.js";
import { inputs, isSecret, isStreaming, joinsOutput, problems } from "./schema.js";
import { WAYS } from "./ways.js";

const PANES = ["result", "request", "code", "schema", "setup"];

export class TryView {
  constructor() {
    this.form = new InputForm($("fields"));
    this.output = new OutputView($("output"));
    this.logs = new LongText($("logs"));
    this.fields = [];
    this.document = null;
    this.loadingFrom = null; // the server that is being asked for its schema
    this.usesJson = false;
    this.pending = null; // what `fill` was given before there was a form
    tabs($("input-tabs"), (tab) => this.showInput(tab === "json"));
    tabs($("output-tabs"), (tab) => this.showPane(tab));
    tabs($("code-tabs"), (tab) => this.showCode(tab));
    $("run-form").addEventListener("submit", (event) => { event.preventDefault(); this.run(); });
    $("run-form").addEventListener("change", () => this.changed());
    $("run-form").addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.run(); });
    $("cancel").addEventListener("click", () => this.cancel());
    $("copy-link").addEventListener("click", () => this.copyLink());
    $("copy-code").addEventListener("click", () => this.copy($("code-text").textContent, $("copy-code")));
  }

  // Connects to a server; `config` has the base URL for webhooks, if the page can receive any.
  use(server, config) {
    this.server = server;
    this.config = config;
    this.model = "local/model";
    this.document = null;
    $("webhook-url").value = config.webhookBase ?? "";
  }

  get hasSchema() {
    return this.document !== null;
  }

  async loadSchema() {
    const server = this.server;
    if (this.loadingFrom === server) return;
    this.loadingFrom = server;
    try {
      const document = await server.json("/openapi.json");
      if (json(document) === json(this.document)) return;
      const entered = this.hasSchema ? await this.form.value() : {}; // before a reload of the model
      if (server !== this.server) return;
      this.useSchema(document);
      this.form.restore(entered);
    } catch (error) {
      if (server === this.server) $("schema").textContent = `no schema: ${error.message}`;
      return;
    } finally {
      if (this.loadingFrom === server) this.loadingFrom = null;
    }
    const models = await server.json("/v1/models").catch(() => null);
    const model = models?.results?.[0];
    if (server === this.server && model?.owner) this.model = `${model.owner}/${model.name}`;
  }

  useSchema(document) {
    const isFirst = this.document === null;
    this.document = document;
    this.fields = inputs(document);
    this.form.show(this.fields);
    if (isFirst) $("json").value = json(Object.fromEntries(this.fields.filter((f) => f.required).map((f) => [f.name, f.schema.default ?? ""])));
    $("schema").textContent = json(document);
    // On its own server, the page follows what any model prints and reads the record at the end; elsewhere, only a
    // stream shows it as it comes.
    const mode = isStreaming(document) ? "stream" : this.server.isOwn && this.config.hasRecords ? "async" : "sync";
    const wasStreaming = $("run-form").elements.mode.value === "stream";
    if (isFirst || (wasStreaming && mode !== "stream")) this.setMode(mode);
    $("mode-stream").disabled = !isStreaming(document);
    if (this.pending) this.fill(this.pending.input, this.pending.isAtOnce);
  }

  setMode(mode) {
    $("run-form").elements.mode.value = mode;
    this.changed();
  }

  // Fills the form with the inputs of a link or a record, and runs them if `isAtOnce`.
  fill(input, isAtOnce = false) {
    this.pending = this.hasSchema ? null : { input, isAtOnce };
    if (!this.hasSchema) return;
    this.form.fill(input);
    const secrets = this.fields.filter(({ schema }) => isSecret(schema)).map(({ name }) => name);
    $("json").value = json(Object.fromEntries(Object.entries(input).filter(([name]) => !secrets.includes(name))), null);
    if (isAtOnce) this.run(input);
  }

  changed() {
    $("webhook").hidden = !this.config.webhookBase || $("run-form").elements.mode.value !== "async";
    if (!$("code").hidden) this.showCode();
  }

  showInput(usesJson) {
    this.usesJson = usesJson;
    $("fields").hidden = usesJson;
    $("json-pane").hidden = !usesJson;
  }

  showPane(pane) {
    for (const each of PANES) $(each).hidden = each !== pane;
    if (pane === "code") this.showCode();
  }

  async givenInput() {
    const value = this.usesJson ? await withFiles(JSON.parse($("json").value)) : await this.form.value();
    const found = problems(value, this.fields);
    if (found.length) throw new Error(found.join("\n"));
    return value;
  }

  // Runs the inputs of the form, or the given ones as they are: the form has no difference between "" and no value.
  async run(given) {
    if ($("run").disabled) return;
    $("problems").textContent = "";
    $("run").disabled = true; // before the files are read, which takes a while
    let input;
    try {
      input = given ?? await this.givenInput();
    } catch (error) {
      $("problems").textContent = error.message;
      $("run").disabled = false;
      return;
    }
    const mode = $("run-form").elements.mode.value;
    const id = $("prediction-id").value.trim() || (mode === "sync" && !this.server.isOwn ? "" : newId());
    this.running = { id, abort: new AbortController(), server: this.server };
    $("cancel").disabled = false;
    this.output.clear();
    this.logs.clear();
    this.setStatus("running…");
    document.querySelector("[data-tab=result]").click();
    // Where input and output stand below each other.
    if (matchMedia("(max-width: 50rem)").matches) $("output-tabs").scrollIntoView();
    try {
      await WAYS[mode](this, input, this.running);
    } catch (error) {
      this.setStatus(error.name === "AbortError" ? "canceled" : error.message, "bad");
    } finally {
      this.running.abort.abort();
      $("run").disabled = false;
      $("cancel").disabled = true;
      this.inspect();
    }
  }

  async cancel() {
    const { id, server, abort } = this.running;
    if (id) await server.fetch("POST", `/predictions/${encodeURIComponent(id)}/cancel`);
    else abort.abort(); // the server cancels a sync prediction when its client disconnects
  }

  append(chunk) {
    this.output.append(chunk, joinsOutput(this.document));
  }

  log(text) {
    this.logs.append(text);
  }

  // Shows the response of the server, or the state in a webhook or an event.
  show(answer, status) {
    if (!answer.status && (answer.detail || status >= 400)) return this.setStatus(`status ${status}\n${reason(answer, "", status)}`, "bad");
    if (answer.logs) {
      this.logs.clear();
      this.logs.append(answer.logs);
    }
    this.output.show(answer.output, joinsOutput(this.document));
    const time = answer.metrics?.predict_time;
    const facts = [answer.status ?? `status ${status}`, time !== undefined && duration(time), answer.error];
    this.setStatus(facts.filter(Boolean).join(" · "), answer.status === "succeeded" ? "good" : answer.error ? "bad" : "quiet");
  }

  setStatus(text, kind = "quiet") {
    $("status").textContent = text;
    $("status").className = kind;
  }

  inspect() {
    if (!this.server.last) return;
    const { sent, status, headers, ms } = this.server.last;
    const lines = (pairs) => Object.entries(pairs).map(([name, value]) => `${name}: ${value}`).join("\n");
    $("request").textContent = [
      `${sent.method} ${sent.url}`, lines(sent.headers), "", json(sent.body), "",
      `status ${status}, headers after ${ms} ms`, lines(headers),
    ].join("\n");
  }

  async draft() {
    if (!this.usesJson) return this.form.draft();
    try {
      return JSON.parse($("json").value);
    } catch {
      return {};
    }
  }

  async showCode(language) {
    this.language = language ?? this.language ?? "curl";
    $("code-text").textContent = LANGUAGES[this.language]({
      url: this.server.url,
      model: this.model,
      input: await this.draft(),
      needsToken: this.server.token !== null,
      isStreaming: isStreaming(this.document),
    });
  }

  async copyLink() {
    const link = linkOf(await this.draft(), this.fields);
    if (link === null) $("problems").textContent = "These inputs are too long for a link.";
    else this.copy(link, $("copy-link"));
  }

  async copy(text, button) {
    const label = button.dataset.label ??= button.textContent;
    const copied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
    button.textContent = copied ? "Copied" : "Could not copy";
    if (!copied && button.id === "copy-link") history.replaceState(null, "", text); // which does not fill the form
    setTimeout(() => { button.textContent = label; }, 2000);
  }
}

// crypto.randomUUID exists only where the page came over https or from this machine.
export function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
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
