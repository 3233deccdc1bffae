// The ways to run a prediction: wait for the response, read its stream, or let it run and follow it.
import { events } from "./api.js";
import { $ } from "./element.js";

export const ACTIVE = ["starting", "processing"];
const ENDED = ["succeeded", "failed", "canceled"];
const PAUSE_MS = 1000;
export const WAYS = { sync, stream, async: follow };

function ask(server, body, { id, abort }, headers) {
  const [method, path] = id ? ["PUT", `/predictions/${encodeURIComponent(id)}`] : ["POST", "/predictions"];
  return server.fetch(method, path, { body, headers, signal: abort.signal, inspect: true });
}

async function sync(view, input, running) {
  const response = await ask(running.server, { input }, running, {});
  view.show(await answerOf(response), response.status);
}

async function stream(view, input, running) {
  const response = await ask(running.server, { input }, running, { Accept: "text/event-stream" });
  if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
    return view.show(await answerOf(response), response.status);
  }
  let hasEnded = false;
  for await (const { name, data } of events(response)) {
    if (name === "output") view.append(data.chunk);
    else if (name === "log") view.log(data.data);
    else if (name === "completed" || name === "error") {
      view.show(data, response.status);
      hasEnded = name === "completed";
    } else if (data.status) view.setStatus(data.status);
  }
  if (!hasEnded) view.setStatus("the server closed the stream before the end", "bad");
}

async function follow(view, input, running) {
  if (view.config.webhookBase) return followWebhooks(view, input, running);
  const { server, id, abort } = running;
  const response = await ask(server, { input }, running, { Prefer: "respond-async" });
  const answer = await answerOf(response);
  if (!response.ok) return view.show(answer, response.status);
  view.setStatus(answer.status);
  const progress = await server.fetch("GET", `/ui/data/progress?id=${encodeURIComponent(id)}`, { signal: abort.signal });
  if (progress.ok) {
    for await (const { name, data } of events(progress)) {
      if (name !== "progress") continue;
      if (!ENDED.includes(data.status)) view.setStatus(data.status); // the end is shown with the output
      if (data.is_reset) view.logs.clear();
      view.log(data.logs);
    }
  }
  await untilEnd(server, id, abort.signal, (record, status) => view.show(record, status));
}

// Reads a prediction until it has ended or is not there, and gives each state to `show`.
export async function untilEnd(server, id, signal, show) {
  for (;;) {
    const state = await server.fetch("GET", `/predictions/${encodeURIComponent(id)}`, { headers: { Prefer: "wait=60" }, signal });
    const record = await answerOf(state);
    show(record, state.status);
    if (!state.ok || ENDED.includes(record.status)) return;
    // A server need not wait, for example for a prediction that it leaves to the next one.
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

async function followWebhooks(view, input, running) {
  const { abort } = running;
  const token = crypto.randomUUID();
  const source = new EventSource(`events?token=${token}`);
  let hasReceived = false; // a webhook may arrive before the response, and its state is newer
  const ended = new Promise((resolve) => {
    source.onmessage = ({ data }) => {
      hasReceived = true;
      const prediction = JSON.parse(data);
      view.show(prediction, 200);
      if (ENDED.includes(prediction.status)) resolve();
    };
    abort.signal.addEventListener("abort", resolve);
  });
  const chosen = [...document.querySelectorAll("[name=event]:checked")].map((box) => box.value);
  const webhook = `${$("webhook-url").value.replace(/\/+$/, "")}/webhook/${token}`;
  const body = { input, webhook, webhook_events_filter: chosen };
  try {
    const response = await ask(running.server, body, running, { Prefer: "respond-async" });
    const answer = await answerOf(response);
    if (!response.ok) return view.show(answer, response.status);
    if (!chosen.length) view.setStatus(`${answer.status}; no webhooks were requested`);
    else if (!hasReceived) view.setStatus(`${answer.status}, waiting for webhooks`);
    if (chosen.includes("completed")) await ended;
  } finally {
    source.close();
  }
}

// The body of a response, which need not be JSON, for example of a proxy.
async function answerOf(response) {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    return { detail: text.slice(0, 1000) || "the response is empty" };
  }
}
