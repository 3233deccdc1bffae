"""The log of a model server, shown to a person: the model's lines as they are, ours when they matter."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from coglet_cli.formats.strict_json import read_json
from coglet_cli.terminal import Terminal


class Level(IntEnum):
    """How much a record matters; the names are those of the log."""

    DEBUG = 10
    INFO = 20
    WARN = 30
    ERROR = 40


_LEVEL_NAMES: Final = {"debug": Level.DEBUG, "warn": Level.WARN, "warning": Level.WARN, "error": Level.ERROR}
# What the model prints before and beside predictions.
_OUTPUT_TARGETS: Final = ("coglet::setup", "coglet::user")
_SETUP: Final = _OUTPUT_TARGETS[0]
# What it prints in predictions, in records with a source, among records of ours about predictions.
_PREDICTION: Final = "coglet::prediction"


@dataclass(frozen=True)
class Record:
    """One record of the server's JSON log."""

    level: Level
    target: str
    message: str
    has_source: bool = False

    @property
    def is_output(self) -> bool:
        """True for a line that the model printed."""
        return self.target in _OUTPUT_TARGETS or (self.target == _PREDICTION and self.has_source)


def parse_record(line: str) -> Record | None:
    """The record in a line of the log; None for a line that something else has written."""
    try:
        entry = read_json(line)
        fields = entry["fields"]
        return Record(
            Level[entry["level"]], entry["target"], str(fields["message"]), has_source="source" in fields
        )
    except (ValueError, TypeError, KeyError):
        return None


@dataclass(frozen=True)
class LogView:
    """What to show of a log: everything as it is, or the model's lines and records of a level or above."""

    is_raw: bool
    threshold: Level

    @classmethod
    def choose(cls, environ: Mapping[str, str], *, debug: bool) -> "LogView":
        """Raw for a user who chose a format with LOG_FORMAT; else warnings, unless they chose a level."""
        level = "debug" if debug else environ.get("COG_LOG_LEVEL", "warning").lower()
        return cls("LOG_FORMAT" in environ, _LEVEL_NAMES.get(level, Level.INFO))

    @property
    def variables(self) -> dict[str, str]:
        """The environment that makes the server write what is shown here."""
        # The lines of a prediction are records of level INFO: they must come to be shown.
        level = self.threshold if self.is_raw or self.threshold != Level.WARN else Level.INFO
        variables = {"COG_LOG_LEVEL": level.name.lower()}
        return variables if self.is_raw else {**variables, "LOG_FORMAT": "json"}

    def show(self, line: str, terminal: Terminal) -> None:
        """Shows one line of the log, or leaves it out."""
        record = None if self.is_raw else parse_record(line)
        if record is None:
            terminal.log(line)
        elif record.is_output:
            terminal.log(record.message)
        elif record.level < self.threshold:
            return
        elif record.target == _PREDICTION:
            # The lines of a traceback, for one.
            terminal.log(record.message)
        else:
            write = terminal.warning if record.level >= Level.WARN else terminal.info
            write(f"{record.target}: {record.message}")


class ShownLines:
    """Shows the lines of a log, and knows when those of the setup were shown. Thread-safe."""

    def __init__(self, show_line: Callable[[str], None]) -> None:
        self._show_line = show_line
        self._of_setup = 0
        self._changed = threading.Condition()

    def show(self, line: str) -> None:
        """Shows one line, as the server has written it."""
        self._show_line(line)
        if _SETUP in line:
            with self._changed:
                self._of_setup += 1
                self._changed.notify_all()

    def wait_setup(self, report: Mapping[str, Any], limit_s: float) -> None:
        """Blocks until all that setup has printed by this health report was shown, or for `limit_s`.

        The report comes on another way than the log, and may overtake it.
        """
        logs = (report.get("setup") or {}).get("logs") or ""
        printed = sum(line.startswith(f"[{_SETUP}]") for line in logs.splitlines())
        with self._changed:
            self._changed.wait_for(lambda: self._of_setup >= printed, limit_s)
