"""Line buffering of what a model prints."""

from typing import Final

_MAX_UNFINISHED_CHARS: Final = 4 * 1024 * 1024


class LineBuffer:
    """Keeps text until its line ends. A carriage return is ordinary text."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._chars = 0

    def write(self, text: str) -> str:
        """Add `text` and return what is complete: everything up to the last newline, or nothing.

        A line that grows beyond the limit of one message is returned unfinished, to keep memory bounded.
        """
        if not text:
            return ""
        complete, newline, rest = text.rpartition("\n")
        if newline:
            ready = "".join((*self._parts, complete, newline)) if self._parts else complete + newline
            self._parts = [rest] if rest else []
            self._chars = len(rest)
            return ready
        self._parts.append(text)
        self._chars += len(text)
        return self.take() if self._chars > _MAX_UNFINISHED_CHARS else ""

    def take(self) -> str:
        """Remove and return the unfinished rest."""
        rest = "".join(self._parts)
        self._parts = []
        self._chars = 0
        return rest
