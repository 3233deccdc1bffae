"""The bounded text that a prediction or a setup printed: beyond the limit, the middle is dropped."""

from collections import deque
from typing import Final

MAX_LOG_BYTES: Final = 64 * 1024 * 1024


class PrintedText:
    """Text in the order of its arrival. Beyond `limit_bytes`, the middle is dropped and counted."""

    def __init__(self, limit_bytes: int = MAX_LOG_BYTES) -> None:
        self._half_bytes = limit_bytes // 2
        self._head: list[str] = []
        self._head_room = self._half_bytes
        self._tail: deque[str] | None = None  # which most texts do not need
        self._tail_bytes = 0
        self.characters = 0  # added so far, also those that were dropped
        self._dropped_lines = 0
        self._dropped_bytes = 0

    def add(self, text: str) -> None:
        """Append text."""
        size_bytes = _size(text)
        self.characters += len(text)
        if size_bytes <= self._head_room:
            self._head.append(text)
            self._head_room -= size_bytes
            return
        self._head_room = 0  # later, shorter text must not be put before this one
        if self._tail is None:
            self._tail = deque()
        self._tail.append(text)
        self._tail_bytes += size_bytes
        while self._tail_bytes > self._half_bytes:
            self._drop(self._tail.popleft())

    @property
    def size_bytes(self) -> int:
        """The size of what is kept, at most."""
        return self._half_bytes - self._head_room + self._tail_bytes

    @property
    def text(self) -> str:
        """The text that was kept, with a notice in place of what was dropped."""
        if len(self._head) > 1:
            self._head = ["".join(self._head)]
        if self._tail is None:
            return self._head[0] if self._head else ""
        return "".join([*self._head, self._notice(), *self._tail])

    def latest(self, count: int) -> str | None:
        """The last `count` characters, or None if some were dropped. It costs as much as they are long."""
        found: list[str] = []
        for text in reversed(self._tail or ()):
            if count <= 0:
                break
            found.append(text[-count:])
            count -= len(text)
        if count > 0 and self._dropped_bytes:
            return None
        for text in reversed(self._head):
            if count <= 0:
                break
            found.append(text[-count:])
            count -= len(text)
        return "".join(reversed(found))

    def _drop(self, text: str) -> None:
        size_bytes = _size(text)
        self._tail_bytes -= size_bytes
        self._dropped_bytes += size_bytes
        self._dropped_lines += text.count("\n")

    def _notice(self) -> str:
        if not self._dropped_bytes:
            return ""
        what = f"{self._dropped_lines} LINES, {self._dropped_bytes} BYTES"
        return f"\n[**** {what} DROPPED, SEE COG_MAX_LOG_BYTES ****]\n"


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
