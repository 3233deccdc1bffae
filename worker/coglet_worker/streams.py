"""`sys.stdout` and `sys.stderr` of the model: each write goes to the prediction whose code made it.

Only the context variable decides. Threads and executor jobs that a prediction starts inherit its context, so
that their output belongs to it; a thread that belongs to no prediction writes to the server log.
"""

import codecs
import contextlib
import contextvars
import functools
import io
import sys
import threading
import types
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, TextIO

from coglet._streams import _SlotLogWriter, _TeeWriter
from coglet_protocol.control import LogSource
from coglet_worker.cancelation import CancelationGate
from coglet_worker.child_log import ChildLog
from coglet_worker.control import ControlChannel
from coglet_worker.running import BufferedLog, LogTarget, RunningPrediction, log_target


class OrphanLog(BufferedLog):
    """The server log: what is printed outside any prediction, setup included."""

    def __init__(self, gate: CancelationGate, control: ControlChannel) -> None:
        super().__init__(gate)
        self._control = control

    def _emit(self, source: LogSource, text: str) -> None:
        self._control.write_log(source, text)


class LogRouter:
    """Knows which predictions run, and so where a line belongs."""

    def __init__(self, orphans: OrphanLog) -> None:
        self.orphans = orphans
        # A pool made in setup has no prediction in its context. Users of a sync model, which has one slot,
        # expect its lines in the running prediction; with several slots the prediction is unknown.
        self.adopt_stray_threads = False
        self._running: dict[int, RunningPrediction] = {}

    def started(self, prediction: RunningPrediction) -> None:
        self._running[prediction.sequence] = prediction

    def ended(self, prediction: RunningPrediction) -> None:
        self._running.pop(prediction.sequence, None)

    @property
    def has_running(self) -> bool:
        """True while a prediction runs."""
        return bool(self._running)

    def is_running(self, sequence: int) -> bool:
        return sequence in self._running

    def sole_running(self) -> RunningPrediction | None:
        """Return the running prediction if there is exactly one, else None."""
        running = list(self._running.values())
        return running[0] if len(running) == 1 else None

    def target(self) -> LogTarget:
        """Return the log of the calling code."""
        target = log_target.get()
        if target is None and self.adopt_stray_threads:
            target = self.sole_running()
        return target or self.orphans


class RoutedStream(_SlotLogWriter):
    """A text stream over the router. It never closes, so that a model cannot lose its own logs."""

    def __init__(self, source: LogSource, descriptor: int, router: LogRouter | ChildLog) -> None:
        self.name = f"<{source}>"
        self.buffer: Any = _RoutedBytes(self)  # `sys.stdout.buffer`; Any, as the base class has another type
        self.router = router
        self._source: LogSource = source
        self._descriptor = descriptor
        self._has_written: dict[int, bool] = {}  # by thread, within `watching_writes`

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self._has_written and threading.get_ident() in self._has_written:
            self._has_written[threading.get_ident()] = True
        self.router.target().write(self._source, text)
        return len(text)

    @contextlib.contextmanager
    def watching_writes(self) -> Iterator[Callable[[], bool]]:
        """Yield a function that returns whether this thread has written something within the block."""
        thread = threading.get_ident()
        outer = self._has_written.get(thread)
        self._has_written[thread] = False
        try:
            yield lambda: self._has_written[thread]
        finally:
            inner = self._has_written.pop(thread)
            if outer is not None:
                self._has_written[thread] = outer or inner

    def flush(self) -> None:
        self.router.target().flush(self._source)

    def fileno(self) -> int:
        return self._descriptor


class TeeStream(_TeeWriter):
    """Writes to the stream that the model put in the place of `sys.stdout`, and copies the text to the logs.

    Nothing is copied if the replacement itself passes the text on to the stream it replaced.
    """

    inner: RoutedStream

    def __init__(self, routed: RoutedStream, replacement: TextIO) -> None:
        super().__init__(routed, replacement, routed.name)

    def write(self, text: str) -> int:
        with self.inner.watching_writes() as has_passed_on:
            try:
                return self.user_stream.write(text)
            finally:
                if not has_passed_on():
                    self.inner.write(text)


class _RoutedBytes(io.BufferedIOBase):
    """`sys.stdout.buffer`: bytes become text of the same stream. Never closes: a wrapper would close it."""

    def __init__(self, stream: RoutedStream) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._target: object = None

    def write(self, data: Any, /) -> int:
        encoded = memoryview(data).cast("B")
        target = self._stream.router.target()
        if target is not self._target:  # drop an incomplete character of another prediction
            self._decoder.reset()
            self._target = target
        if text := self._decoder.decode(encoded):
            self._stream.write(text)
        return len(encoded)

    def flush(self) -> None:
        """Do nothing, because nothing is buffered. TextIOWrapper calls it."""

    def close(self) -> None:
        return

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True


class _WatchedSys(types.ModuleType):
    """The class of `sys` in a worker: intercepts `sys.stdout = x`, which no audit event reports."""

    def __setattr__(self, name: str, value: object) -> None:
        routed = _routed.get(name)
        super().__setattr__(name, value if routed is None else _in_place_of(routed, value))


def _in_place_of(routed: RoutedStream, value: Any) -> object:
    """Return the object to assign if the model replaces a stream by `value`."""
    if value is None or isinstance(value, RoutedStream | TeeStream):
        return value
    if isinstance(value, io.TextIOWrapper) and _is_on(routed.fileno(), value):
        # `io.TextIOWrapper(sys.stdout.buffer)` or `open(1, "w")`, for another encoding: its text reaches
        # the logs anyway, and must do so before the next prediction.
        value.reconfigure(line_buffering=True, write_through=True)
        return value
    return TeeStream(routed, value)


def _is_on(descriptor: int, stream: io.TextIOWrapper) -> bool:
    try:
        return stream.fileno() == descriptor
    except OSError:  # it has none
        return False


_routed: Final[dict[str, RoutedStream]] = {}


def install(router: LogRouter) -> None:
    """Install the model's streams, and let threads inherit the context of the prediction that starts them."""
    for source, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = RoutedStream(source, descriptor, router)  # type: ignore[arg-type]
        setattr(sys, source, stream)
        setattr(sys, f"__{source}__", stream)  # where a model takes the original to restore it
        _routed[source] = stream
    sys.__class__ = _WatchedSys
    _inherit_context_in_threads()


def uninstall_in_child() -> None:
    """Route the streams to the descriptors in a forked child, as the same objects, which loggers may hold."""
    log = ChildLog()
    for stream in _routed.values():
        stream.router = log


def flush_child() -> None:
    """Flush the streams in a forked child that exits without the interpreter's shutdown."""
    for stream in _routed.values():
        stream.flush()


def _inherit_context_in_threads() -> None:
    start = threading.Thread.start
    submit = ThreadPoolExecutor.submit

    @functools.wraps(start)
    def start_in_context(self: threading.Thread) -> None:
        if log_target.get() is not None:
            self.run = functools.partial(_run_in, contextvars.copy_context(), self.run)  # type: ignore[method-assign]
        start(self)

    @functools.wraps(submit)  # type: ignore[arg-type]
    def submit_in_context(
        self: ThreadPoolExecutor, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        if log_target.get() is not None:
            function = functools.partial(contextvars.copy_context().run, function)
        return submit(self, function, *args, **kwargs)

    threading.Thread.start = start_in_context  # type: ignore[method-assign]
    ThreadPoolExecutor.submit = submit_in_context  # type: ignore[assignment, method-assign]


def _run_in(context: contextvars.Context, run: Callable[[], None]) -> None:
    """Call `run` with the variables of `context`.

    Not by `context.run`: an exception of the thread is reported after `run`, and belongs to the same context.
    """
    for variable, value in context.items():
        variable.set(value)
    run()
