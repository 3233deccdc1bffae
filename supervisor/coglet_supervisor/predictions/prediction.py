"""One prediction as the supervisor knows it: its state, what it has given so far, and who is to be told.

    starting -> processing -> succeeded | failed | canceled

A terminal state never changes. All methods are synchronous and run on the event loop, so each is atomic.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

import msgspec

from coglet_supervisor.predictions.metrics import Metrics, Mode, merge_metric
from coglet_supervisor.printed_text import PrintedText

if TYPE_CHECKING:
    from coglet_supervisor.predictions.stream import PredictionStream

Status = Literal["starting", "processing", "succeeded", "failed", "canceled"]
Terminal = Literal["succeeded", "failed", "canceled"]
Kind = Literal["prediction", "training"]

TERMINAL: Final = frozenset({"succeeded", "failed", "canceled"})
JSON_NULL: Final = msgspec.Raw(b"null")

_LARGE_OUTPUT_BYTES: Final = 64 * 1024

_encode: Final = msgspec.json.Encoder().encode


class IllegalTransition(Exception):
    """A step that the state does not allow; a bug of the supervisor."""

    def __init__(self, prediction_id: str, status: Status, step: str) -> None:
        super().__init__(f"prediction {prediction_id} is {status} and cannot take {step}")


@dataclass(frozen=True, slots=True)
class Started:
    """The prediction was handed to a worker."""


@dataclass(frozen=True, slots=True)
class Logged:
    """Text that the prediction printed."""

    source: str
    data: str


@dataclass(frozen=True, slots=True)
class Produced:
    """One item of the output, as JSON text."""

    chunk: bytes
    index: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One change of a metric; `value` is JSON text."""

    name: str
    value: bytes
    mode: Mode


@dataclass(frozen=True, slots=True)
class Completed:
    """The terminal state was reached."""


Event = Started | Logged | Produced | Measured | Completed


class Listener(Protocol):
    """Whoever wants to know of each event as it happens: webhooks, streams."""

    def on_event(self, prediction: Prediction, event: Event) -> None: ...


class Snapshot(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The state in the words of the HTTP API, for webhooks, streams and attached clients.

    Fields are in alphabetical order, as clients have always seen them.
    """

    error: str | msgspec.UnsetType = msgspec.UNSET
    id: str
    input: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    logs: str | msgspec.UnsetType = msgspec.UNSET
    metrics: Metrics | msgspec.UnsetType = msgspec.UNSET
    output: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    status: Status

    def pieces(self) -> list[bytes | memoryview]:
        """Its JSON text: in one piece, unless there is a large output, which is not copied for that."""
        if self.output is msgspec.UNSET or len(output := memoryview(self.output)) <= _LARGE_OUTPUT_BYTES:
            return [_encode(self)]
        around = _encode(msgspec.structs.replace(self, output=JSON_NULL))
        # Only the status follows; within the texts before it every quote is escaped.
        head, null, tail = around.rpartition(b'null,"status":')
        return [head, output, null.removeprefix(b"null") + tail]


class Prediction:
    """One prediction or training. `input` is JSON text as the model gets it."""

    def __init__(
        self,
        prediction_id: str,
        kind: Kind,
        input_json: bytes | msgspec.Raw,
        *,
        context: dict[str, str],
        output_is_array: bool,
    ) -> None:
        self.id = prediction_id
        self.kind: Kind = kind
        self.input: bytes | msgspec.Raw = input_json
        self.context = context
        self.status: Status = "starting"
        self.error: str | None = None
        self.cancel_requested = False
        self.listeners: list[Listener] = []
        self.stream: PredictionStream | None = None
        self.printed = PrintedText()
        self.on_cancel: Callable[[], None] | None = None
        self._output_is_array = output_is_array
        self._started = time.monotonic()
        self._items: list[bytes] = []
        self._metrics: Metrics = {}
        self._predict_time = 0.0
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def logs(self) -> str:
        """The text so far."""
        return self.printed.text

    @property
    def items(self) -> list[bytes]:
        """The items of the output so far, each as JSON text."""
        return self._items

    def start(self) -> None:
        """It was handed to a worker."""
        if self.status != "starting":
            raise IllegalTransition(self.id, self.status, "start")
        self.status = "processing"
        self._tell(Started())

    def log(self, source: str, data: str) -> None:
        """Text it printed. Ignored after the end: the code may print on after a cancel."""
        if self.is_terminal:
            return
        self.printed.add(data)
        self._tell(Logged(source, data))

    def produce(self, chunk: bytes) -> None:
        """The next item of its output."""
        if self.is_terminal:
            return
        self._items.append(chunk)
        self._tell(Produced(chunk, len(self._items) - 1))

    def forget_output(self) -> None:
        """There is too much of it."""
        self._items.clear()

    def measure(self, name: str, value: bytes, mode: Mode) -> None:
        """A change of one of its metrics."""
        if self.is_terminal:
            return
        merge_metric(self._metrics, name, msgspec.json.decode(value), mode)
        self._tell(Measured(name, value, mode))

    def request_cancel(self) -> None:
        """Asks the worker to stop; the state changes when it has. Safe to repeat."""
        if self.is_terminal or self.cancel_requested:
            return
        self.cancel_requested = True
        if self.on_cancel is not None:
            self.on_cancel()

    def finish(self, status: Terminal, *, error: str | None = None, is_stream: bool = False) -> None:
        """Reaches its end. Everyone who waits goes on after the caller's turn."""
        if self.is_terminal:
            raise IllegalTransition(self.id, self.status, status)
        self.status = status
        self.error = error
        self._output_is_array = self._output_is_array or is_stream
        self._predict_time = time.monotonic() - self._started
        for waiter in self._waiters:
            _set(waiter)
        self._waiters.clear()
        self._tell(Completed())
        # Who listens or cancels holds us, too: without this an output of many megabytes would stay in memory
        # until the garbage collector looks for cycles.
        self.listeners.clear()
        self.on_cancel = None

    async def wait_terminal(self, timeout_s: float | None = None) -> bool:
        """True when the prediction has ended, False when `timeout_s` was over first."""
        if self.is_terminal:
            return True
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.append(waiter)
        if timeout_s is None:
            await waiter
        else:
            timer = loop.call_later(timeout_s, _set, waiter)
            await waiter
            timer.cancel()
        return self.is_terminal

    @property
    def output(self) -> msgspec.Raw | None:
        """JSON text: the final value when terminal, else the items so far; None when there is nothing."""
        if self.status == "succeeded" and not self._output_is_array and len(self._items) <= 1:
            return msgspec.Raw(self._items[0]) if self._items else JSON_NULL
        if self.status == "succeeded" or self._items:
            return msgspec.Raw(b"[" + b",".join(self._items) + b"]")
        return None

    def metrics_with_time(self) -> Metrics:
        """The model's metrics with ours, which win."""
        return {**self._metrics, "predict_time": self._predict_time}

    def snapshot(self, *, input_json: msgspec.Raw | None = None) -> Snapshot:
        """The state as clients see it; `input_json` for those who attach."""
        output = self.output
        return Snapshot(
            error=self.error if self.error is not None else msgspec.UNSET,
            id=self.id,
            input=input_json if input_json is not None else msgspec.UNSET,
            logs=self.logs,
            metrics=self.metrics_with_time() if self.is_terminal else dict(self._metrics),
            output=output if output is not None else msgspec.UNSET,
            status=self.status,
        )

    def progress(self) -> Snapshot:
        """The state as it was before the end, for news that arrives late."""
        return Snapshot(
            id=self.id,
            logs=self.logs,
            metrics=dict(self._metrics),
            output=msgspec.Raw(b"[" + b",".join(self._items) + b"]") if self._items else msgspec.UNSET,
            status="processing",
        )

    def _tell(self, event: Event) -> None:
        for listener in self.listeners:
            listener.on_event(self, event)


def _set(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
