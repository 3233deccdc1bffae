"""Base classes of `sys.stdout` and `sys.stderr` in a worker, which decides where the text goes."""

from __future__ import annotations

import io

TYPE_CHECKING = False  # importing typing would double the cost of `import coglet`
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TextIO


class _SlotLogWriter(io.TextIOBase):
    """A stream that passes the model's text to the log of the running prediction.

    A library that closes `sys.stdout` must not silence the model, so closing only sets a flag.
    """

    name: str
    encoding = "utf-8"
    errors = "replace"
    newlines = None
    mode = "w"
    line_buffering = True
    _closed = False

    def __init__(self) -> None:
        raise TypeError("cannot create '_SlotLogWriter' instances; the worker makes one a stream")

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]  # typeshed allows bytes here
        for line in lines:
            self.write(line)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def reconfigure(self, **_options: object) -> None:
        """Ignore the options of `TextIOWrapper.reconfigure`: a log has one encoding and is always flushed."""

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        self._closed = True


class _TeeWriter:
    """Writes to the log (`inner`) and to the stream that the model put in its place (`user_stream`).

    Everything but writing is passed to the model's stream, so that `getvalue()`, `seek()` and `close()` keep
    working. That stream only needs a `write`; other attributes get defaults if it lacks them.
    """

    def __init__(self, inner: TextIO | io.TextIOBase, user_stream: TextIO, name: str) -> None:
        self.inner = inner
        self.user_stream = user_stream
        self.name = name

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self.inner.write(text)  # first, so that the log has the text even if the model's stream raises
        self.user_stream.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self.inner.flush()
        getattr(self.user_stream, "flush", _nothing)()

    def isatty(self) -> bool:
        return bool(getattr(self.user_stream, "isatty", _nothing)())

    @property
    def encoding(self) -> str:
        return getattr(self.user_stream, "encoding", "utf-8")

    @property
    def errors(self) -> str | None:
        return getattr(self.user_stream, "errors", None)

    def __getattr__(self, name: str) -> Any:
        if name == "user_stream":  # not set yet in a copied or unpickled tee, which must not recurse
            raise AttributeError(name)
        return getattr(self.user_stream, name)


def _nothing() -> None:
    return None
