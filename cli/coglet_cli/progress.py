"""Progress of a build, a pull or a push on stderr."""

import re
import sys
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from coglet_cli.terminal import Terminal

CHOICES: Final = ("auto", "tty", "plain", "quiet")
# Enough to show a failed command and the output before it.
_KEPT_LINES: Final = 60
# The classic builder colors what commands write to stderr.
_COLOR: Final = re.compile(r"\x1b\[[0-9;]*m")


class Progress:
    """Shows all lines as they arrive (`plain`), only the latest one (`tty`), or none (`quiet`).

    The last lines are kept, to be shown if the build fails.
    """

    def __init__(self, mode: str, terminal: Terminal) -> None:
        self._terminal = terminal
        self._mode = _resolved(mode)
        self._kept: deque[str] = deque(maxlen=_KEPT_LINES)
        self._layers: dict[str, str] = {}

    def line(self, text: str) -> None:
        """Take one line of output."""
        for piece in _COLOR.sub("", text).splitlines():
            if not piece.strip():
                continue
            self._kept.append(piece)
            if self._mode == "plain":
                self._terminal.log(piece)
            elif self._mode == "tty":
                self._terminal.status(piece)

    def layer(self, message: Mapping[str, Any]) -> None:
        """Take one message about a layer; show each of its states once, without byte counts."""
        identifier, status = str(message.get("id", "")), str(message.get("status", ""))
        if status and self._layers.get(identifier) != status:
            self._layers[identifier] = status
            self.line(f"{identifier}: {status}" if identifier else status)

    def end(self) -> None:
        """Clear the line that `tty` mode writes to."""
        if self._mode == "tty":
            self._terminal.clear_status()

    @property
    def unseen(self) -> list[str]:
        """The last lines that were not shown, at most 60."""
        return [] if self._mode == "plain" else list(self._kept)


def default_mode(environ: Mapping[str, str]) -> str:
    """Return the value of `--progress` when the flag is not given."""
    if wanted := environ.get("BUILDKIT_PROGRESS"):
        return wanted if wanted in CHOICES else "auto"
    return "plain" if environ.get("TERM") == "dumb" else "auto"


def _resolved(mode: str) -> str:
    if mode in ("auto", "tty"):
        return "tty" if sys.stderr.isatty() else "plain"
    return mode
