"""The text streams a worker puts in place of `sys.stdout` and `sys.stderr`."""

from __future__ import annotations

import io

TYPE_CHECKING = False  # importing typing would double the cost of `import coglet`
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, BinaryIO, TextIO


class _LogStream(io.TextIOBase):
    """What both streams share: write-only text that outlives `close()`.

    A library that closes `sys.stdout` must not silence the model, so closing only sets a flag.
    """

    _closed = False
    mode = "w"
    line_buffering = True

    def writable(self) -> bool:
        return True

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        self._closed = True

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]  # typeshed allows bytes here
        for line in lines:
            self.write(line)

    def reconfigure(self, **_options: Any) -> None:
        """Accepts what `TextIOWrapper.reconfigure` does; a log has one encoding and is always flushed."""


class _SlotLogWriter(_LogStream):
    """Text written by the model, on its way to the log of the running prediction."""

    name: str
    _fd: int
    _deliver: Callable[[str], object]
    _flush: Callable[[], object]
    _binary: BinaryIO

    def __init__(self) -> None:
        raise TypeError("cannot create '_SlotLogWriter' instances; the worker makes one a stream")

    encoding = "utf-8"
    errors = "replace"
    newlines = None

    @property
    def buffer(self) -> BinaryIO:
        return self._binary

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._deliver(text)
        return len(text)

    def flush(self) -> None:
        self._flush()

    def fileno(self) -> int:
        return self._fd


def new_slot_log_writer(
    fd: int, deliver: Callable[[str], object], flush: Callable[[], object], binary: BinaryIO
) -> _SlotLogWriter:
    """Makes the stream for descriptor 1 or 2: text goes to `deliver`; `binary` is its `.buffer`."""
    writer = _SlotLogWriter.__new__(_SlotLogWriter)
    writer.name = {1: "<stdout>", 2: "<stderr>"}[fd]
    writer._fd = fd
    writer._deliver = deliver
    writer._flush = flush
    writer._binary = binary
    return writer


def _nothing() -> None:
    return None


class _TeeWriter(_LogStream):
    """Writes to the log (`inner`) and to the stream that the model put in its place (`user_stream`).

    Everything but writing is the model's stream, so that `getvalue()` and the like keep working. All that is
    asked of it is a `write`; what else a stream has is made up where it is missing.
    """

    def __init__(self, inner: TextIO, user_stream: TextIO, name: str) -> None:
        self.inner = inner
        self.user_stream = user_stream
        self.name = name

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self.inner.write(text)  # first: the log has the text even when the model's stream refuses it
        self.user_stream.write(text)
        return len(text)

    def flush(self) -> None:
        self.inner.flush()
        getattr(self.user_stream, "flush", _nothing)()

    def fileno(self) -> int:
        return self.user_stream.fileno()

    def isatty(self) -> bool:
        return bool(getattr(self.user_stream, "isatty", _nothing)())

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has a plain attribute
        return getattr(self.user_stream, "encoding", "utf-8")

    @property
    def errors(self) -> str | None:  # type: ignore[override]  # typeshed has a plain attribute
        return getattr(self.user_stream, "errors", None)

    def __getattr__(self, name: str) -> Any:
        if name == "user_stream":  # not set yet: a copy or an unpickled tee, which must not recurse
            raise AttributeError(name)
        return getattr(self.user_stream, name)
