// Texts for numbers and times.

export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

// The unit in which a number of bytes is shown, in bytes.
export function byteUnit(count) {
  return 1024 ** Math.max(0, Math.min(Math.floor(Math.log2(count || 1) / 10), UNITS.length - 1));
}

export function bytes(count) {
  const unit = byteUnit(count);
  const value = count / unit;
  return `${Number.isInteger(value) || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[Math.log2(unit) / 10]}`;
}

// The time of day, with the date unless it is today.
export function moment(text) {
  const time = new Date(text);
  const isToday = time.toDateString() === new Date().toDateString();
  return isToday ? time.toLocaleTimeString() : time.toLocaleString();
}

export function secondsBetween(from, to) {
  return from && to ? (new Date(to) - new Date(from)) / 1000 : undefined;
}

// How long a prediction has run: what the model needed, else the time between its start and its end.
export function runTime({ metrics, started_at, completed_at }) {
  return metrics?.predict_time ?? secondsBetween(started_at, completed_at);
}

// Truncates long strings for display, such as data URLs in JSON.
export function short(_key, value) {
  return typeof value === "string" && value.length > 300 ? `${value.slice(0, 120)}… (${value.length} characters)` : value;
}

// JSON for display; a value that is nested too deeply for the browser gets a text that says so.
export function json(value, replacer = short) {
  try {
    return JSON.stringify(value, replacer, 2);
  } catch (error) {
    return `(not shown: ${error.message})`;
  }
}
