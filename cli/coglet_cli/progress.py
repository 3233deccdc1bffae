"""What a person sees of a build, a pull or a push."""

import os
import re
import sys
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from coglet_cli.terminal import Terminal

CHOICES: Final = ("auto", "tty", "plain", "quiet")
# Enough to see a failed command and what led to it.
_KEPT_LINES: Final = 60
# The classic builder colours what commands write to stderr.
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_CLEAR_LINE: Final = "\r\x1b[2K"


class Progress:
    """Lines as they come (`plain`), the latest one only (`tty`), or none (`quiet`).

    What was not shown is kept for a failure, the last lines of it.
    """

    def __init__(self, mode: str, terminal: Terminal) -> None:
        self._terminal = terminal
        self._mode = _resolved(mode)
        self._kept: deque[str] = deque(maxlen=_KEPT_LINES)
        self._layers: dict[str, str] = {}

    def line(self, text: str) -> None:
        """One line of output."""
        for piece in _COLOUR.sub("", text).splitlines():
            if not piece.strip():
                continue
            self._kept.append(piece)
            if self._mode == "plain":
                self._terminal.log(piece)
            elif self._mode == "tty":
                width = os.get_terminal_size(sys.stderr.fileno()).columns
                print(f"{_CLEAR_LINE}{piece[: width - 1]}", end="", file=sys.stderr, flush=True)

    def layer(self, message: Mapping[str, Any]) -> None:
        """One message about a layer; each state of it is told once, and not how many bytes there are yet."""
        identifier, status = str(message.get("id", "")), str(message.get("status", ""))
        if status and self._layers.get(identifier) != status:
            self._layers[identifier] = status
            self.line(f"{identifier}: {status}" if identifier else status)

    def end(self) -> None:
        """Leaves a clean line behind."""
        if self._mode == "tty":
            print(_CLEAR_LINE, end="", file=sys.stderr, flush=True)

    @property
    def unseen(self) -> list[str]:
        """The last lines, when a person has not seen them."""
        return [] if self._mode == "plain" else list(self._kept)


def default_mode(environ: Mapping[str, str]) -> str:
    """What `--progress` is when it is not given."""
    if wanted := environ.get("BUILDKIT_PROGRESS"):
        return wanted if wanted in CHOICES else "auto"
    return "plain" if environ.get("TERM") == "dumb" else "auto"


def _resolved(mode: str) -> str:
    if mode in ("auto", "tty"):
        return "tty" if sys.stderr.isatty() else "plain"
    return mode
