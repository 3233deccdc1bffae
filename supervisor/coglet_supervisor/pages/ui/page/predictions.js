// The view Predictions: the records of the server, the latest first.
import { $, element } from "./element.js";
import { duration, moment, runTime, secondsBetween } from "./format.js";
import { predictionAddress } from "./link.js";
import { ACTIVE } from "./ways.js";

const PAGE = 50;
const RELOAD_MS = 1000;

export class PredictionsView {
  constructor() {
    this.rows = new Map(); // the prediction and its row, by id
    this.cursor = null;
    this.isShown = false;
    $("filter").addEventListener("change", () => this.load(null));
    $("older").addEventListener("click", () => this.load(this.next));
    $("newer").addEventListener("click", () => this.load(this.previous));
    $("find").addEventListener("submit", (event) => {
      event.preventDefault();
      const id = $("find-id").value.trim();
      if (id) location.hash = predictionAddress(id);
    });
  }

  use(server) {
    this.server = server;
    this.rows.clear();
    $("rows").replaceChildren();
  }

  show() {
    this.isShown = true;
    this.load(null);
  }

  hide() {
    this.isShown = false;
  }

  async load(cursor) {
    const { server } = this;
    const loading = (this.loading = {});
    const query = new URLSearchParams({ limit: PAGE });
    if ($("filter").value) query.set("status", $("filter").value);
    if (cursor) query.set("cursor", cursor);
    try {
      const page = await server.json(`/predictions?${query}`);
      if (loading !== this.loading) return;
      this.cursor = cursor;
      // A link to newer ones from the first page would only say that some were created since.
      this.previous = cursor ? cursorOf(page.previous) : null;
      this.next = cursorOf(page.next);
      this.fill(page.results);
      $("list-problem").textContent = "";
    } catch (error) {
      if (loading !== this.loading) return;
      const hasNone = error.status === 404 || error.status === 405;
      if (hasNone) this.fill([]);
      $("list-problem").textContent = hasNone ? "This server keeps no list of predictions." : error.message;
      $("no-rows").hidden = true;
    }
  }

  fill(predictions) {
    this.rows = new Map(predictions.map((each) => [each.id, { prediction: each, row: rowOf(each) }]));
    $("rows").replaceChildren(...[...this.rows.values()].map(({ row }) => row));
    this.changed();
  }

  changed() {
    $("no-rows").hidden = this.rows.size > 0;
    $("no-rows").textContent = $("filter").value ? `No prediction is ${$("filter").value}.` : "No predictions yet. Run one in Try.";
    $("table").hidden = !this.rows.size;
    $("newer").disabled = !this.previous;
    $("older").disabled = !this.next;
    $("newer").parentElement.hidden = !this.previous && !this.next;
  }

  // Takes changes from the events: rows that are shown are updated, and new ones go to the top of the first page.
  update({ rows, is_partial }) {
    if (!this.isShown) return;
    for (const prediction of rows.toReversed()) this.put(prediction);
    this.changed();
    if (is_partial && (!this.cursor || this.hasActive())) this.reloadSoon();
  }

  hasActive() {
    return [...this.rows.values()].some(({ prediction }) => ACTIVE.includes(prediction.status));
  }

  // Loads what is shown again.
  reload() {
    if (this.isShown) this.load(this.cursor);
  }

  // The events have changes of the latest predictions only.
  reloadSoon() {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.reload();
    }, RELOAD_MS);
  }

  put(prediction) {
    const known = this.rows.get(prediction.id);
    const fits = [prediction.status, ""].includes($("filter").value);
    if (known && !fits) {
      known.row.remove();
      this.rows.delete(prediction.id);
    } else if (known) {
      const row = rowOf(prediction);
      const hadFocus = known.row.contains(document.activeElement);
      known.row.replaceWith(row);
      if (hadFocus) row.querySelector("a").focus();
      this.rows.set(prediction.id, { prediction, row });
    } else if (fits && !this.cursor) {
      const row = rowOf(prediction);
      $("rows").prepend(row);
      this.rows.set(prediction.id, { prediction, row });
      if ($("rows").childElementCount > 2 * PAGE) {
        const [oldest] = [...this.rows].find(([, each]) => each.row === $("rows").lastElementChild);
        $("rows").lastElementChild.remove();
        this.rows.delete(oldest);
        this.reloadSoon(); // for the cursor of the next page
      }
    }
  }
}

function cursorOf(url) {
  return url ? new URL(url, location.href).searchParams.get("cursor") : null;
}

function rowOf(prediction) {
  const { id, status, created_at, started_at, error } = prediction;
  const ran = runTime(prediction);
  const waited = secondsBetween(created_at, started_at);
  return element("tr", {},
    element("td", {}, element("span", { className: `badge ${status}` }, status)),
    element("td", { className: "id" }, element("a", { href: predictionAddress(id), title: error ?? "" }, id)),
    element("td", { className: "time" }, element("time", { dateTime: created_at }, moment(created_at))),
    element("td", { className: "number waited" }, waited === undefined ? "–" : duration(waited)),
    element("td", { className: "number" }, duration(ran)));
}
