// The view Server: state, workers, setup log and the plots of the last hour.
import { $, element } from "./element.js";
import { bytes, byteUnit, duration, moment } from "./format.js";
import { LongText } from "./output.js";
import { Plot } from "./plot.js";

const MOST_SAMPLES = 360; // of an hour

export class ServerView {
  constructor() {
    this.setupLog = new LongText($("server-setup"));
    this.plots = [
      new Plot($("plot-rate"), "Predictions per second", ["rate"], (s) => [s.predictions_per_s], (n) => plain(n)),
      new Plot($("plot-latency"), "Run time", ["p50", "p95", "p99"], (s) => [s.p50_s, s.p95_s, s.p99_s], duration),
      new Plot($("plot-queue"), "Queue and running", ["queued", "running"], (s) => [s.queue_length, s.in_progress - s.queue_length], (n) => plain(n)),
      new Plot($("plot-memory"), "Memory", ["workers", "server"], (s) => [sum(s.worker_memory_bytes), s.memory_bytes], bytes, byteUnit),
    ];
  }

  use() {
    this.samples = [];
    this.report = null;
    $("plots").hidden = true;
    $("server-facts").replaceChildren();
    $("workers").replaceChildren();
    $("server-problem").textContent = "";
  }

  // Shows what the health check of a server without events says.
  useHealth(health) {
    this.showFacts([
      ["Status", health.status],
      health.queue && ["Queue", `${health.queue.size} of ${health.queue.capacity}`],
      ["Restarts", String(health.restarts ?? 0)],
    ].filter(Boolean));
    this.setup(health.setup);
    $("worker-table").hidden = true;
    $("server-problem").textContent = "This server sends no events to the page: it shows what its health check says.";
  }

  server(report) {
    this.report = report;
    const { slots, queue, workers } = report;
    this.showFacts([
      ["Status", report.status],
      ["Slots", `${slots.busy} of ${slots.total} busy`],
      ["Queue", queue.capacity ? `${queue.size} of ${queue.capacity}` : "none"],
      queue.size > 0 && ["Oldest waits", queue.oldest_s < 1 ? "< 1 s" : duration(queue.oldest_s)],
      ["Server memory", report.memory_bytes ? bytes(report.memory_bytes) : "–"],
      ["Started", moment(report.started_at)],
    ].filter(Boolean));
    $("worker-table").hidden = false;
    $("workers").replaceChildren(...workers.map(workerRow));
    const ends = workers.flatMap(({ ends }, index) => ends.map((end) => ({ ...end, index }))).sort((a, b) => (a.at < b.at ? 1 : -1));
    $("ends").hidden = !ends.length;
    $("end-list").replaceChildren(...ends.map(({ at, reason, index }) => element("li", {},
      element("time", { dateTime: at, className: "quiet" }, moment(at)), ` worker ${index}: ${reason}`)));
  }

  setup(setup) {
    $("setup-status").textContent = setup ? `${setup.status}${setup.completed_at ? ` at ${moment(setup.completed_at)}` : ""}` : "";
    this.setupLog.clear();
    this.setupLog.append(setup?.logs || "setup() printed nothing.");
  }

  history(samples) {
    this.samples = [...this.samples, ...samples].slice(-MOST_SAMPLES);
    $("plots").hidden = false;
    this.draw();
  }

  draw() {
    if ($("server").hidden || $("plots").hidden) return;
    for (const plot of this.plots) plot.draw(this.samples);
  }

  showFacts(facts) {
    $("server-facts").replaceChildren(...facts.map(([name, text]) => element("div", {}, element("dt", {}, name), element("dd", {}, text))));
  }
}

function workerRow({ state, pid, replacements, memory_bytes }, index) {
  const kind = state === "READY" ? "succeeded" : state === "STARTING" ? "starting" : "failed";
  return element("tr", {},
    element("th", { scope: "row" }, String(index)),
    element("td", {}, element("span", { className: `badge ${kind}` }, state)),
    element("td", { className: "number pid" }, String(pid ?? "–")),
    element("td", { className: "number" }, memory_bytes ? bytes(memory_bytes) : "–"),
    element("td", { className: "number restarts" }, restarts(replacements)));
}

// How many, by reason, such as `1 crashed, 2 reloaded`.
function restarts(replacements) {
  const reasons = Object.entries(replacements).map(([reason, count]) => `${count} ${reason.replaceAll("_", " ")}`);
  return reasons.join(", ") || "0";
}

function plain(value) {
  return Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 1 : 0);
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
