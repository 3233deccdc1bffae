"""Display of a model server's log: the model's lines unchanged, our records above a level."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from coglet_cli.formats.strict_json import read_json
from coglet_cli.terminal import Terminal


class Level(IntEnum):
    """The level of a record, under its name in the log."""

    DEBUG = 10
    INFO = 20
    WARN = 30
    ERROR = 40


_LEVEL_NAMES: Final = {"debug": Level.DEBUG, "warn": Level.WARN, "warning": Level.WARN, "error": Level.ERROR}
# Output of the model outside predictions: during setup, and from its own threads and processes.
_OUTPUT_TARGETS: Final = ("coglet::setup", "coglet::user")
_SETUP: Final = _OUTPUT_TARGETS[0]
# Output of the model in predictions has this target and a source; our own records about them have no source.
_PREDICTION: Final = "coglet::prediction"
# The result of a reload, which `cog serve --reload` waits for.
_RELOAD: Final = "coglet::reload"


@dataclass(frozen=True)
class Record:
    """One record of the server's JSON log."""

    level: Level
    target: str
    message: str
    has_source: bool = False

    @property
    def is_output(self) -> bool:
        """True if the model printed this line."""
        return self.target in _OUTPUT_TARGETS or (self.target == _PREDICTION and self.has_source)


def parse_record(line: str) -> Record | None:
    """Return the record in a line of the log, None if the line is not a record of the server."""
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
    """What to show of a log: everything unchanged, or the model's lines and records from a level up."""

    is_raw: bool
    threshold: Level

    @classmethod
    def choose(cls, environ: Mapping[str, str], *, debug: bool) -> "LogView":
        """Return a raw view if the user set LOG_FORMAT, else one with COG_LOG_LEVEL, by default warnings."""
        level = "debug" if debug else environ.get("COG_LOG_LEVEL", "warning").lower()
        return cls("LOG_FORMAT" in environ, _LEVEL_NAMES.get(level, Level.INFO))

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables with which the server writes what is shown here."""
        # The lines of a prediction are records of level INFO: the server must write them.
        level = self.threshold if self.is_raw or self.threshold != Level.WARN else Level.INFO
        variables = {"COG_LOG_LEVEL": level.name.lower()}
        return variables if self.is_raw else {**variables, "LOG_FORMAT": "json"}

    def show(self, line: str, terminal: Terminal) -> None:
        """Show one line of the log, unless its level is below the threshold."""
        record = None if self.is_raw else parse_record(line)
        if record is None:
            terminal.log(line)
        elif record.is_output:
            terminal.log(record.message)
        elif record.target == _RELOAD:
            (terminal.error if record.level >= Level.ERROR else terminal.info)(record.message)
        elif record.level < self.threshold:
            return
        elif record.target == _PREDICTION:
            # For example the lines of a traceback.
            terminal.log(record.message)
        else:
            write = terminal.warning if record.level >= Level.WARN else terminal.info
            write(f"{record.target}: {record.message}")


class ShownLines:
    """Shows the lines of a log, and can wait until those of the setup were shown. Thread-safe."""

    def __init__(self, show_line: Callable[[str], None]) -> None:
        self._show_line = show_line
        self._of_setup = 0
        self._changed = threading.Condition()

    def show(self, line: str) -> None:
        """Show one line of the server's log."""
        self._show_line(line)
        if _SETUP in line:
            with self._changed:
                self._of_setup += 1
                self._changed.notify_all()

    def wait_setup(self, report: Mapping[str, Any], limit_s: float) -> None:
        """Block until the setup output in this health report was shown, at most for `limit_s`.

        The report arrives over HTTP and may overtake the log, which arrives through a pipe.
        """
        logs = (report.get("setup") or {}).get("logs") or ""
        printed = sum(line.startswith(f"[{_SETUP}]") for line in logs.splitlines())
        with self._changed:
            self._changed.wait_for(lambda: self._of_setup >= printed, limit_s)
