// Connects the parts of the page: the server, its events, and the views.
import { ApiServer } from "./api.js";
import { $ } from "./element.js";
import { Live } from "./live.js";
import { readAddress, VIEWS } from "./link.js";
import { PredictionView } from "./prediction.js";
import { PredictionsView } from "./predictions.js";
import { ServerView } from "./server.js";
import { TryView } from "./try.js";

const HEALTH_PAUSE_MS = 3000; // for servers that send no events
const GOOD = ["READY", "BUSY"];
let config, server, live, polled, hasEvents = false;

const tryView = new TryView();
const predictions = new PredictionsView();
const record = new PredictionView(runAgain, () => tryView.document);
const serverView = new ServerView();

function runAgain(input, isAtOnce) {
  location.hash = "#try";
  document.querySelector("[data-tab=form]").click();
  tryView.fill(input, isAtOnce);
}

function connect(target) {
  hasEvents = false;
  server = new ApiServer(target, askToken);
  for (const view of [predictions, record, serverView]) view.use(server);
  tryView.use(server, config);
  $("setup").textContent = "";
  useReloadError(null);
  showHealth("connecting", "quiet");
  openLive();
  tryView.loadSchema();
}

// Follows the events while the page is visible: a browser opens six connections to a server, for all its tabs.
function openLive() {
  live?.close();
  live = document.hidden ? undefined : new Live(server, {
    ready: () => { serverView.samples = []; predictions.reload(); },
    server: (report) => { serverView.server(report); useStatus(report.status); useReloadError(report.reload_error); },
    setup: (setup) => { serverView.setup(setup); useSetup(setup); tryView.loadSchema(); }, // of a reloaded model
    history: (samples) => serverView.history(samples),
    predictions: (changes) => predictions.update(changes),
  }, onState);
}

function onState(state) {
  hasEvents = state === "open";
  if (state === "lost") showHealth("not connected", "bad");
  if (state === "refused") showHealth("no token", "bad");
  if (state === "absent" && polled !== server) checkHealth((polled = server));
}

async function checkHealth(asked) {
  if (asked !== server || hasEvents) return;
  try {
    const health = await asked.json("/health-check");
    if (asked !== server) return;
    useStatus(health.status);
    useReloadError(health.reload_error);
    useSetup(health.setup);
    serverView.useHealth(health);
  } catch (error) {
    if (asked !== server) return;
    showHealth("unreachable", "bad");
    $("setup").textContent = error.message;
  }
  setTimeout(() => checkHealth(asked), HEALTH_PAUSE_MS);
}

function useStatus(status) {
  const isGood = GOOD.includes(status);
  showHealth(status, isGood ? "good" : status === "STARTING" ? "quiet" : "bad");
  if (isGood && !tryView.hasSchema) tryView.loadSchema();
}

function useSetup(setup) {
  $("setup").textContent = setup?.logs || "setup() printed nothing.";
}

function useReloadError(error) {
  const text = error ? `The latest change of the model is not served:\n${error}` : "";
  // Not at each event, because screen readers say an alert whenever it is written.
  if ($("reload-error").textContent !== text) $("reload-error").textContent = text;
}

function showHealth(text, kind) {
  $("health").textContent = text;
  $("health").className = `badge ${kind}`;
}

function route() {
  const { view, id, input } = readAddress(location.hash);
  const isRecord = view === "predictions" && id !== null;
  for (const each of VIEWS) {
    $(each).hidden = each !== view || isRecord;
    const link = document.querySelector(`[href="#${each}"]`);
    if (each === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  $("record").hidden = !isRecord;
  if (isRecord) record.open(id);
  else record.close();
  if (view === "predictions" && !isRecord) predictions.show();
  else predictions.hide();
  serverView.draw();
  if (input) tryView.fill(input);
}

// Asks for the token of the server; null if the user does not give one. It stays in this tab of the browser.
function askToken(isWrong) {
  const dialog = $("token-dialog");
  $("token-problem").textContent = isWrong ? "The server did not accept this token." : "";
  $("token").value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => resolve(dialog.returnValue || null);
    dialog.returnValue = "";
  });
}

$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const token = $("token").value.trim();
  // A browser sends no other characters in a header.
  if (/^[\x21-\x7e]*$/.test(token)) $("token-dialog").close(token);
  else $("token-problem").textContent = "A token has no spaces and only ASCII characters.";
});
$("token-cancel").addEventListener("click", () => $("token-dialog").close(""));
$("target-form").addEventListener("submit", (event) => {
  event.preventDefault();
  connect($("target").value);
  route();
});
addEventListener("hashchange", route);
addEventListener("visibilitychange", () => {
  openLive();
  record.visibilityChanged();
});

function useTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
}
$("theme").addEventListener("click", () => {
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (isDark ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  localStorage.setItem("theme", next);
  useTheme(next);
});
useTheme(localStorage.getItem("theme"));

config = await (await fetch("config")).json();
$("target-form").hidden = config.target === null;
$("target").value = config.target ?? "";
$("version").textContent = `cog ${config.cogVersion}`;
document.title = config.target === null ? "Cog" : "Cog playground";
$("title").textContent = document.title;
connect(config.target);
route();
