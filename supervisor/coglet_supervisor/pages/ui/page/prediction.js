// One prediction: its inputs, output, logs and times. Follows it until its end.
import { $, element } from "./element.js";
import { events } from "./api.js";
import { duration, json, runTime, secondsBetween } from "./format.js";
import { LongText, OutputView } from "./output.js";
import { joinsOutput } from "./schema.js";
import { ACTIVE, untilEnd } from "./ways.js";

const MASK = "**********"; // what the server shows instead of a secret

export class PredictionView {
  // `onRun` gets the inputs, and whether to run them at once.
  constructor(onRun, documentOf) {
    this.output = new OutputView($("record-output"));
    this.logs = new LongText($("record-logs"));
    this.documentOf = documentOf;
    $("record-cancel").addEventListener("click", () => this.cancel());
    $("record-again").addEventListener("click", () => onRun(this.record.input, !holdsMask(this.record.input)));
    $("record-edit").addEventListener("click", () => onRun(this.record.input, false));
  }

  use(server) {
    this.server = server;
  }

  async open(id) {
    this.close();
    const opened = (this.opened = { id, abort: new AbortController() });
    this.record = null;
    $("record-id").textContent = id;
    $("record-problem").textContent = "";
    $("record-body").hidden = true;
    await this.load(opened);
    if (document.hidden) opened.abort.abort();
    else if (this.isActive) await this.follow(opened);
  }

  close() {
    this.opened?.abort.abort();
    this.opened = null;
  }

  // A hidden page follows nothing: it would hold one of the few connections that a browser opens for all tabs.
  visibilityChanged() {
    const { opened } = this;
    if (document.hidden) opened?.abort.abort();
    else if (opened?.abort.signal.aborted && this.isActive) this.open(opened.id);
  }

  get isActive() {
    return ACTIVE.includes(this.record?.status);
  }

  async load(opened) {
    try {
      const record = await this.server.json(`/predictions/${encodeURIComponent(opened.id)}`);
      if (opened === this.opened) this.show(record);
    } catch (error) {
      if (opened !== this.opened) return;
      const texts = { 404: "The server does not know this prediction.", 410: "The record of this prediction has expired." };
      $("record-problem").textContent = texts[error.status] ?? error.message;
    }
  }

  async follow(opened) {
    try {
      const path = `/ui/data/progress?id=${encodeURIComponent(opened.id)}`;
      const progress = await this.server.fetch("GET", path, { signal: opened.abort.signal });
      let isFirst = true;
      opened.hasLogs = progress.ok;
      for await (const { name, data } of progress.ok ? events(progress) : []) {
        if (name !== "progress" || opened !== this.opened) continue;
        // The first event has all that was printed so far.
        if (isFirst || data.is_reset) this.logs.clear();
        isFirst = false;
        this.logs.append(data.logs);
        if (data.status !== this.record.status) await this.load(opened);
      }
      opened.hasLogs = false;
      if (opened !== this.opened) return;
      await this.load(opened);
      // Without events of it, for example of a server elsewhere.
      if (!this.isActive) return;
      await untilEnd(this.server, opened.id, opened.abort.signal, (record, status) => {
        if (opened === this.opened && status === 200) this.show(record);
      });
    } catch (error) {
      if (error.name !== "AbortError") $("record-problem").textContent = error.message;
    }
  }

  async cancel() {
    await this.server.fetch("POST", `/predictions/${encodeURIComponent(this.record.id)}/cancel`);
  }

  show(record) {
    this.record = record;
    const { isActive } = this;
    $("record-body").hidden = false;
    $("record-status").textContent = record.status;
    $("record-status").className = `badge ${record.status}`;
    $("record-error").textContent = record.error ?? "";
    $("record-cancel").hidden = !isActive;
    $("record-again").disabled = $("record-edit").disabled = !record.input;
    $("record-times").replaceChildren(...times(record));
    $("record-inputs").replaceChildren(...inputsOf(record));
    this.output.show(record.output, joinsOutput(this.documentOf()));
    $("record-no-output").hidden = $("record-output").hasChildNodes();
    $("record-no-output").textContent = record.data_removed ? "The data was removed." : isActive ? "Not yet." : "None.";
    if (!this.opened.hasLogs) { // else, the events have them, and are older
      this.logs.clear();
      this.logs.append(record.logs ?? "");
    }
    $("record-metrics").textContent = json(record.metrics ?? {});
  }
}

function holdsMask(input) {
  return Object.values(input ?? {}).flat().includes(MASK);
}

// What happened when: a bar for the wait and the run, and the same as a list.
function times(record) {
  const waited = secondsBetween(record.created_at, record.started_at ?? record.completed_at);
  const ran = runTime(record);
  const facts = [
    ["Created", new Date(record.created_at).toLocaleString()],
    ["Waited", duration(waited)],
    ["Ran", record.started_at ? duration(ran) : "–"],
    ["Ended", record.completed_at ? new Date(record.completed_at).toLocaleString() : "–"],
    record.attempts > 1 && ["Attempts", record.attempts],
  ].filter(Boolean);
  const list = element("dl", { className: "facts" }, ...facts.map(([name, text]) => element("div", {}, element("dt", {}, name), element("dd", {}, text))));
  const whole = (waited ?? 0) + (ran ?? 0);
  if (!whole) return [list];
  const bar = element("div", { className: "timeline", role: "img", ariaLabel: `waited ${duration(waited)}, ran ${duration(ran)}` });
  for (const [kind, share] of [["wait", waited ?? 0], ["run", ran ?? 0]]) {
    const part = element("span", { className: kind });
    part.style.flexGrow = share / whole;
    bar.append(part);
  }
  return [bar, list];
}

function inputsOf({ input, data_removed }) {
  const entries = Object.entries(input ?? {});
  if (!entries.length) return [element("p", { className: "quiet" }, data_removed ? "The data was removed." : "None.")];
  return entries.map(([name, value]) => {
    const place = element("div", { className: "output" });
    new OutputView(place).show(value);
    return element("div", { className: "input" }, element("h4", {}, name), place);
  });
}
