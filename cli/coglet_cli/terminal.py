"""Messages on stderr. stdout is for the result of the command."""

import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

_ICONS: Final = {
    "info": ("⚙", "cyan"),
    "debug": ("⚙", "dim"),
    "warning": ("⚠", "yellow"),
    "success": ("✔", "green"),
}
_VERDICTS: Final = {
    "ok": ("✔", "green"),
    "fixed": ("✔", "green"),
    "warning": ("⚠", "yellow"),
    "error": ("✗", "red"),
    "skipped": ("-", "dim"),
}

_CLEAR_LINE: Final = "\r\x1b[2K"


def color_wanted(environ: Mapping[str, str], *, is_terminal: bool, refused: bool) -> bool:
    """Return True if stderr is a terminal that supports color and no flag or variable disables it."""
    if refused or not is_terminal or environ.get("TERM") == "dumb":
        return False
    return not (environ.get("NO_COLOR") or environ.get("COG_NO_COLOR"))


class Terminal:
    """Writes messages to stderr: icons, color and word wrap on a terminal, bare lines elsewhere.

    Any thread may write; each message stays whole, although `print` writes a text and its newline separately.
    """

    def __init__(self, *, color: bool, debug: bool = False) -> None:
        self.color = color
        self.debug_enabled = debug
        # True while the streamed text of a prediction has not ended its line.
        self._mid_line = False
        self._has_status = False
        self._lock = threading.Lock()

    def info(self, text: str) -> None:
        """Show progress."""
        self._write("info", text)

    def success(self, text: str) -> None:
        """Show that something that the user asked for is done."""
        self._write("success", text)

    def debug(self, text: str) -> None:
        """Show `text` only with `--debug`."""
        if self.debug_enabled:
            self._write("debug", text)

    def warning(self, text: str) -> None:
        """Warn about something unexpected; the command continues."""
        self._write("warning", text if self.color else f"warning: {text}")

    def verdict(self, verdict: str, text: str) -> None:
        """Show one line of a list of checks; `verdict` is ok, fixed, warning, error or skipped."""
        with self._message():
            self._end_line()
            if self.color:
                icon, style = _VERDICTS[verdict]
                self._print_styled([(f"  {icon} ", style), (text, "")])
            else:
                print(f"  {verdict:<8} {text}", file=sys.stderr, flush=True)

    def log(self, line: str) -> None:
        """Show a line of another program, such as the model, unchanged."""
        with self._message():
            self._end_line()
            print(line, file=sys.stderr, flush=True)

    @property
    def shows_status(self) -> bool:
        """True if stderr is a terminal."""
        return sys.stderr.isatty()

    def status(self, text: str) -> None:
        """Show one line that the next message replaces; nothing without `shows_status`."""
        if self.shows_status:
            with self._message():
                self._end_line()
                width = os.get_terminal_size(sys.stderr.fileno()).columns
                print(text[: width - 1], end="", file=sys.stderr, flush=True)
                self._has_status = True

    def clear_status(self) -> None:
        """Remove the line of `status`, if it is still shown."""
        with self._message():
            self._clear_status()

    def chunk(self, text: str) -> None:
        """Write the next piece of an output to stdout. A message between two pieces starts a new line."""
        with self._lock:
            self._clear_status()
            print(text, end="", flush=True)
            self._mid_line = not text.endswith("\n")

    def end_chunks(self) -> None:
        """End a streamed output with a newline, as when it is printed at once."""
        with self._lock:
            print(flush=True)
            self._mid_line = False

    def error(self, text: str, hint: str | None = None) -> None:
        """Show why the command failed, and what to do about it."""
        with self._message():
            self._end_line()
            if self.color:
                self._print_styled([("error: ", "bold red"), (text, "")])
            else:
                print(f"error: {text}", file=sys.stderr, flush=True)
            if hint:
                self._hint(hint)

    def _hint(self, hint: str) -> None:
        print(file=sys.stderr)
        if self.color:
            self._print_styled([("hint: ", "bold cyan"), (hint, "")])
        else:
            print(f"hint: {hint}", file=sys.stderr, flush=True)

    def _write(self, level: str, text: str) -> None:
        with self._message():
            self._end_line()
            if not text or not self.color:
                print(text, file=sys.stderr, flush=True)
                return
            icon, style = _ICONS[level]
            self._print_styled([(f" {icon} ", style), (text, "")])

    @contextmanager
    def _message(self) -> Iterator[None]:
        # A closed terminal must not prevent a command from stopping the processes that it started.
        with self._lock, suppress(OSError):
            yield

    def _clear_status(self) -> None:
        if self._has_status:
            self._has_status = False
            print(_CLEAR_LINE, end="", file=sys.stderr, flush=True)

    def _end_line(self) -> None:
        self._clear_status()
        if self._mid_line:
            self._mid_line = False
            print(file=sys.stderr, flush=True)

    def _print_styled(self, parts: list[tuple[str, str]]) -> None:
        # Imported here: it takes 60 ms, and neither a pipe nor `--help` needs it.
        from rich.console import Console
        from rich.text import Text

        Console(stderr=True, highlight=False).print(Text.assemble(*parts))
