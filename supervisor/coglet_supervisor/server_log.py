"""The server log on stderr, one record per line, as JSON or readable text; and the logs of each setup.

The server and the libraries log through `logging`, whose handler is `ServerLog`. The output of models is
added to it. Writing never blocks the event loop: a thread writes to the descriptor, and when the reader of
stderr is too slow, records are dropped and counted.
"""

import datetime
import functools
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from coglet_supervisor.printed_text import PrintedText
from coglet_supervisor.settings import LogFormat, LogLevel

LEVELS: Final[dict[LogLevel, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_NAMES: Final = {"debug": "DEBUG", "info": "INFO", "warning": "WARN", "error": "ERROR"}
_COLORS: Final = {"debug": "\x1b[34m", "info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[31m"}
_RESET: Final = "\x1b[0m"
_PREDICTION: Final = "coglet::prediction"
_GATHER_S: Final = 0.01
MAX_QUEUED_BYTES: Final = 32 * 1024 * 1024

Fields = dict[str, object]
Correlate = Callable[[str | None], Fields]
"""Returns trace and span for a record: of the prediction of that id, else of the request in this context."""
Format = Callable[[str, LogLevel, str, str, Fields], str]
"""(timestamp, level, target, message, fields) -> one line without the newline."""


def format_json(timestamp: str, level: LogLevel, target: str, message: str, fields: Fields) -> str:
    """Return a record in the JSON format that launchers and log collectors parse."""
    record = {
        "timestamp": timestamp,
        "level": _NAMES[level],
        "fields": {"message": message, **fields},
        "target": target,
    }
    try:
        return msgspec.json.encode(record, enc_hook=str).decode()
    except UnicodeEncodeError:  # a lone surrogate, which ASCII escapes can hold
        return json.dumps(record, separators=(",", ":"), default=str)


def format_console(timestamp: str, level: LogLevel, target: str, message: str, fields: Fields) -> str:
    """Return a record as readable text."""
    rest = "".join(f" {name}={value}" for name, value in fields.items())
    return f"{timestamp} {_NAMES[level]:>5} {target}: {message}{rest}"


def format_console_in_color(
    timestamp: str, level: LogLevel, target: str, message: str, fields: Fields
) -> str:
    """Return a record as readable text with terminal colors."""
    rest = "".join(f" {name}={value}" for name, value in fields.items())
    return f"\x1b[2m{timestamp}{_RESET} {_COLORS[level]}{_NAMES[level]:>5}{_RESET} {target}: {message}{rest}"


class LineWriter:
    """Writes lines to a descriptor from its own thread.

    Drops and counts lines when the descriptor is too slow.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._queued_bytes = 0
        self._dropped = 0
        self._changed = threading.Condition()
        self._busy = False
        threading.Thread(target=self._run, name="log-writer", daemon=True).start()

    def write(self, lines: str) -> None:
        """Queue one or more lines. Never blocks."""
        encoded = lines.encode("utf-8", "replace") + b"\n"
        with self._changed:
            if self._queued_bytes + len(encoded) > MAX_QUEUED_BYTES:
                self._dropped += encoded.count(b"\n")
                return
            self._lines.append(encoded)
            self._queued_bytes += len(encoded)
            if len(self._lines) == 1:
                self._changed.notify_all()

    def take_dropped(self) -> int:
        """Return how many lines were dropped since the last call; 0 until the queue has room for a notice."""
        with self._changed:
            if self._queued_bytes > MAX_QUEUED_BYTES // 2:
                return 0
            dropped, self._dropped = self._dropped, 0
            return dropped

    def flush(self, timeout_s: float) -> None:
        """Wait until everything is written, for at most `timeout_s` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: not self._lines and not self._busy, timeout_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._lines)
                self._busy = True
            # Under load there are several records per millisecond; one write serves many of them.
            time.sleep(_GATHER_S)
            with self._changed:
                batch = b"".join(self._lines)
                self._lines.clear()
                self._queued_bytes = 0
            self._write_out(memoryview(batch))

    def _write_out(self, rest: memoryview) -> None:
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            return  # a closed or full stderr must not end the server, and cannot be reported elsewhere


class ServerLog(logging.Handler):
    """The log handler of the server. Thread-safe.

    The target of a record is `extra={"target": ...}` if given, else `coglet` for the supervisor's own
    loggers, else the name of its logger.
    """

    def __init__(self, writer: LineWriter, format_record: Format, level: LogLevel) -> None:
        super().__init__(LEVELS[level])
        self._writer = writer
        self._format_line = format_record
        self._collectors: list[PrintedText] = []
        self._boot: PrintedText | None = PrintedText()
        self._correlate: Correlate | None = None

    def correlate(self, fields_of: Correlate) -> None:
        """Add the fields that `fields_of` returns to each record from now on."""
        self._correlate = fields_of

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.exc_info:
            message += "\n" + logging.Formatter().formatException(record.exc_info)
        target = getattr(record, "target", None)
        if target is None:
            target = "coglet" if record.name.startswith("coglet_supervisor") else record.name
        self._write(
            _level_of(record), target, message, {} if self._correlate is None else self._correlate(None)
        )

    def event(self, prediction_id: str, message: str, **fields: object) -> None:
        """Log a step of a prediction at level info, if the log level includes it.

        This bypasses `logging`, which would take 6 microseconds more (Python 3.11) for each of the two steps
        of a prediction; the server needs 85 for a whole small prediction.
        """
        if self.level <= logging.INFO:
            self._write("info", _PREDICTION, message, {**self._fields_of(prediction_id), **fields})

    def output(self, target: str, text: str) -> None:
        """Log what the model printed outside predictions, one record per line, at every log level."""
        for line in text.splitlines():
            self._write("info", target, line, {})

    def echo(self, prediction_id: str, source: str, text: str) -> None:
        """Log what a prediction printed, one record per non-blank line, if the log level includes info."""
        if self.level > logging.INFO:
            return
        fields: Fields = {**self._fields_of(prediction_id), "source": source.capitalize()}
        timestamp = _now()
        records = [
            self._format_line(timestamp, "info", _PREDICTION, stripped, fields)
            for line in text.splitlines()
            if (stripped := line.strip())
        ]
        if records:  # queued together: a text may have thousands of lines
            self._writer.write("\n".join(records))

    def collect(self) -> PrintedText:
        """Start collecting the logs of a setup, as lines `[target] message`.

        The logs of the first setup include everything since the start of the process.
        """
        logs, self._boot = self._boot or PrintedText(), None
        self._collectors.append(logs)
        return logs

    def end_collecting(self, logs: PrintedText) -> str:
        """Stop collecting `logs`, and return their text."""
        self._collectors.remove(logs)
        return logs.text

    def drain(self, timeout_s: float) -> None:
        """Wait until everything is written, for at most `timeout_s` seconds.

        Called before the process exits.
        """
        self._writer.flush(timeout_s)

    def _fields_of(self, prediction_id: str) -> Fields:
        fields: Fields = {"prediction_id": prediction_id}
        return fields if self._correlate is None else {**fields, **self._correlate(prediction_id)}

    def _write(self, level: LogLevel, target: str, message: str, fields: Fields) -> None:
        for logs in (self._boot, *self._collectors):
            if logs is not None:
                logs.add(f"[{target}] {message}\n")
        if dropped := self._writer.take_dropped():
            text = f"{dropped} log records dropped because stderr is not being read fast enough"
            self._writer.write(self._format_line(_now(), "warning", "coglet", text, {}))
        self._writer.write(self._format_line(_now(), level, target, message, fields))


def open_server_log(descriptor: int, log_format: LogFormat, level: LogLevel, *, color: bool) -> ServerLog:
    """Open the log on `descriptor`, and make it the only handler of `logging`."""
    formats: dict[str, Format] = {"json": format_json, "console": format_console}
    chosen = format_console_in_color if log_format == "console" and color else formats[log_format]
    server_log = ServerLog(LineWriter(descriptor), chosen, level)
    root = logging.getLogger()
    root.handlers = [server_log]
    root.setLevel(LEVELS[level])
    for noisy in ("asyncio", "httpx", "httpcore", "hypercorn.error", "hypercorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return server_log


def _level_of(record: logging.LogRecord) -> LogLevel:
    """Return the highest of our levels that the record reaches: libraries may use levels in between."""
    return next((name for name in reversed(LEVELS) if record.levelno >= LEVELS[name]), "debug")


def _now() -> str:
    nanoseconds = time.time_ns()
    return f"{_second(nanoseconds // 1_000_000_000)}.{nanoseconds // 1000 % 1_000_000:06d}Z"


@functools.lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}"
