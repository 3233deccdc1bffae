"""The state of one prediction: status, output, logs and metrics. Listeners receive each change as an event.

    starting -> processing -> succeeded | failed | canceled

A terminal state is final. `finish` decides it, `publish` makes it visible; between the two, it is written to
the store of records. All methods but `wait_terminal` are synchronous and run on the event loop, so each
is atomic. Only `PredictionRun` calls the methods that change the state.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, Literal, Protocol

import msgspec

from coglet_protocol import slot
from coglet_supervisor.predictions.events import Completed, Event, Logged, Measured, Produced, Started
from coglet_supervisor.predictions.hook import Hook
from coglet_supervisor.predictions.hosted import HostedCall
from coglet_supervisor.predictions.metrics import Metrics, Mode, merge_metric
from coglet_supervisor.predictions.run_input import RunInput
from coglet_supervisor.printed_text import MAX_LOG_BYTES, PrintedText

Status = Literal["starting", "processing", "succeeded", "failed", "canceled"]
Terminal = Literal["succeeded", "failed", "canceled"]
Kind = Literal["prediction", "training"]

TERMINAL: Final = frozenset({"succeeded", "failed", "canceled"})
JSON_NULL: Final = msgspec.Raw(b"null")

_LARGE_OUTPUT_BYTES: Final = 64 * 1024

_encode: Final = msgspec.json.Encoder().encode


class IllegalTransition(Exception):
    """A step that the state does not allow: a bug in the supervisor."""

    def __init__(self, prediction_id: str, status: Status, step: str) -> None:
        super().__init__(f"prediction {prediction_id} is {status} and cannot take {step}")


class PredictionSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A validated prediction to run.

    `context` is passed to the model unchanged. With `is_streaming`, clients can read its events; with
    `ends_with_readers`, it is canceled when the last reader disconnects. `priority` is its place in the
    queue, see RunQueue; `webhook` is what its client asked for. No client waits for one that `is_detached`.
    At its `deadline` it is canceled, in seconds since the epoch. `attempt` is how often an earlier server has
    started it, and `created_at` when it was accepted there. `hosted` is set if it came in through the hosted
    API. `files` are those that need no download.
    """

    id: str
    kind: Kind
    input: RunInput
    context: dict[str, str] = {}
    output_is_array: bool = False
    is_streaming: bool = False
    ends_with_readers: bool = False
    priority: int = 0
    webhook: Hook | None = None
    is_detached: bool = False
    deadline: float | None = None
    attempt: int = 0
    created_at: float | None = None
    hosted: HostedCall | None = None
    files: tuple[slot.InputFile, ...] = ()

    @property
    def size_bytes(self) -> int:
        """The approximate memory that its input and its context need."""
        if not self.context:
            return self.input.size_bytes
        return self.input.size_bytes + sum(len(name) + len(value) for name, value in self.context.items())

    def message(self, sequence: int, output_dir: str, trace: dict[str, str]) -> slot.Predict:
        """Return the message that has a worker run it, as a part of `trace`."""
        file, json = self.input.file, self.input.json
        return slot.Predict(
            id=self.id,
            output_dir=output_dir,
            input=bytes(memoryview(json)) if file is None and json is not None else None,
            input_file=str(file) if file is not None else None,
            context=self.context,
            sequence=sequence,
            files=self.files,
            trace=trace,
        )


Figures = tuple[Kind, Terminal, float, float | None, int, int]
"""Kind, terminal status, seconds in the queue and of the run, and bytes of input and output.

The run time is None if it never started.
"""


class Listener(Protocol):
    """Receives each event immediately, after the state has changed. Webhooks and streams are listeners."""

    def on_event(self, prediction: Prediction, event: Event) -> None: ...


class Snapshot(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The state as the HTTP API represents it, for responses, webhooks and streams.

    Fields are in alphabetical order, as in the peer's responses.
    """

    error: str | msgspec.UnsetType = msgspec.UNSET
    id: str
    input: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    logs: str | msgspec.UnsetType = msgspec.UNSET
    metrics: Metrics | msgspec.UnsetType = msgspec.UNSET
    output: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    status: Status

    def pieces(self) -> list[bytes | memoryview]:
        """Return its JSON text: in one piece, or in three if the output is large, to avoid copying it."""
        if self.output is msgspec.UNSET or len(output := memoryview(self.output)) <= _LARGE_OUTPUT_BYTES:
            return [_encode(self)]
        around = _encode(msgspec.structs.replace(self, output=JSON_NULL))
        # Only the status follows the output, and quotes in the strings before it are escaped: the match is
        # unique.
        head, null, tail = around.rpartition(b'null,"status":')
        return [head, output, null.removeprefix(b"null") + tail]


class Prediction:
    """One prediction or training.

    `max_log_bytes` limits the logs that are kept. `clock` returns seconds from any start, `wall_clock`
    seconds since the epoch.
    """

    def __init__(
        self,
        spec: PredictionSpec,
        *,
        listeners: Sequence[Listener] = (),
        max_log_bytes: int = MAX_LOG_BYTES,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.id: Final = spec.id
        self.kind: Final = spec.kind
        self._input_bytes = spec.input.size_bytes
        self.deadline: Final = spec.deadline
        self.is_streaming: Final = spec.is_streaming
        self._status: Status = "starting"
        self._error: str | None = None
        self._listeners = tuple(listeners)
        self._printed = PrintedText(max_log_bytes)
        self._output_is_array = spec.output_is_array
        self._clock = clock
        self._wall_clock = wall_clock
        self.created_at: Final = wall_clock() if spec.created_at is None else spec.created_at
        self._started_at: float | None = None
        self._completed_at: float | None = None
        self._started = clock()
        self._end: Terminal | None = None
        self._items: list[bytes] = []
        self._metrics: Metrics = {}
        self._metrics_bytes = 0
        self._run_time_s = 0.0
        self._waiters: set[asyncio.Future[None]] | None = None

    @property
    def status(self) -> Status:
        return self._status

    @property
    def error(self) -> str | None:
        """Why it failed, or None."""
        return self._error

    @property
    def is_terminal(self) -> bool:
        return self._status in TERMINAL

    @property
    def started_at(self) -> float | None:
        """When it was sent to a worker, or None."""
        return self._started_at

    @property
    def completed_at(self) -> float | None:
        """When its end was decided, or None."""
        return self._completed_at

    @property
    def run_time_s(self) -> float:
        """How long it has run, without the time in the queue. 0 until its end is decided."""
        return self._run_time_s

    @property
    def figures(self) -> Figures | None:
        """What is counted of it; None if it has not ended here."""
        if self._end is None or self._completed_at is None:
            return None
        started_at = self._started_at
        # By the clock of the day, because an earlier server may have accepted it; it may have been set back.
        queue_s = (self._completed_at if started_at is None else started_at) - self.created_at
        return (
            self.kind,
            self._end,
            queue_s if queue_s > 0 else 0.0,
            None if started_at is None else self._run_time_s,
            self._input_bytes,
            sum(map(len, self._items)),
        )

    @property
    def kept_bytes(self) -> int:
        """The approximate memory that its texts need."""
        error_bytes = len(self._error) if self._error is not None else 0
        return self._printed.size_bytes + sum(map(len, self._items)) + error_bytes + self._metrics_bytes

    @property
    def logs(self) -> str:
        """What it has printed so far."""
        return self._printed.text

    @property
    def printed(self) -> PrintedText:
        """What it has printed so far, of which the latest can be read."""
        return self._printed

    @property
    def items(self) -> Sequence[bytes]:
        """The items of the output so far, each as JSON text."""
        return self._items

    def start(self) -> None:
        """Note that the prediction was sent to a worker."""
        if self._status != "starting":
            raise IllegalTransition(self.id, self._status, "start")
        self._status = "processing"
        self._started = self._clock()
        self._started_at = self._wall_clock()
        self._notify(Started())

    def log(self, source: str, data: str) -> None:
        """Add text that it printed. Ignored after the end: the code may still print after a cancel."""
        if self._end is not None:
            return
        self._printed.add(data)
        self._notify(Logged(source, data))

    def produce(self, chunk: bytes) -> None:
        """Add the next item of its output. Ignored after the end."""
        if self._end is not None:
            return
        self._items.append(chunk)
        self._notify(Produced(chunk, len(self._items) - 1))

    def drop_output(self) -> None:
        """Delete the output so far, which is too large."""
        self._items.clear()

    def measure(self, name: str, value: bytes, mode: Mode) -> None:
        """Change one of its metrics. `value` is JSON text. Ignored after the end."""
        if self._end is not None:
            return
        merge_metric(self._metrics, name, msgspec.json.decode(value), mode)
        self._metrics_bytes += len(name) + len(value)
        self._notify(Measured(name, value, mode))

    def finish(self, status: Terminal, *, error: str | None = None, is_stream: bool = False) -> None:
        """Decide the terminal state, which `publish` makes visible.

        Raises IllegalTransition if it is decided already.
        """
        if self._end is not None:
            raise IllegalTransition(self.id, self._end, status)
        self._end = status
        self._error = error
        self._output_is_array = self._output_is_array or is_stream
        self._completed_at = self._wall_clock()
        if self._started_at is not None:
            self._run_time_s = self._clock() - self._started

    def publish(self) -> None:
        """Make the terminal state visible, and wake the tasks in `wait_terminal`.

        Raises IllegalTransition if it is not decided, or visible already.
        """
        if self._end is None or self.is_terminal:
            raise IllegalTransition(self.id, self._status, "publish")
        self._status = self._end
        self.wake()
        self._notify(Completed())
        # A listener refers to the prediction: without breaking the cycle, an output of many megabytes would
        # stay in memory until the garbage collector runs.
        self._listeners = ()

    def wake(self) -> None:
        """End `wait_terminal` for all who wait."""
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            _set(waiter)

    async def wait_terminal(self, timeout_s: float | None = None) -> bool:
        """Wait until the prediction has ended. False if `timeout_s` is over, or `wake` is called, before."""
        if self.is_terminal:
            return True
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        if self._waiters is None:
            self._waiters = set()
        self._waiters.add(waiter)
        timer = loop.call_later(timeout_s, _set, waiter) if timeout_s is not None else None
        try:
            await waiter
        finally:
            if self._waiters is not None:
                self._waiters.discard(waiter)
            if timer is not None:
                timer.cancel()
        return self.is_terminal

    @property
    def output(self) -> msgspec.Raw | None:
        """JSON text: the final value if it succeeded, else a list of the items so far; None without items."""
        return self.output_at(self._status)

    def output_at(self, status: Status) -> msgspec.Raw | None:
        """Return the output, as for a prediction with this status."""
        if status == "succeeded" and not self._output_is_array and len(self._items) <= 1:
            return msgspec.Raw(self._items[0]) if self._items else JSON_NULL
        if status == "succeeded" or self._items:
            return msgspec.Raw(b"[" + b",".join(self._items) + b"]")
        return None

    @property
    def decided_status(self) -> Status:
        """The status, with a terminal one from the moment at which it is decided."""
        return self._end if self._end is not None else self._status

    @property
    def metrics(self) -> Metrics:
        """The model's metrics; from the end on with `predict_time`, which takes precedence."""
        if self._end is None:
            return dict(self._metrics)
        return {**self._metrics, "predict_time": self._run_time_s}

    def snapshot(self, *, input_json: msgspec.Raw | None = None) -> Snapshot:
        """Return the state for clients; `input_json` is added for those that attach."""
        output = self.output
        return Snapshot(
            error=self._error if self._error is not None else msgspec.UNSET,
            id=self.id,
            input=input_json if input_json is not None else msgspec.UNSET,
            logs=self.logs,
            metrics=self.metrics,
            output=output if output is not None else msgspec.UNSET,
            status=self._status,
        )

    def progress(self) -> Snapshot:
        """Return the state as it was before the end, for progress webhooks that are sent late."""
        return Snapshot(
            id=self.id,
            logs=self.logs,
            metrics=dict(self._metrics),
            output=msgspec.Raw(b"[" + b",".join(self._items) + b"]") if self._items else msgspec.UNSET,
            status="processing",
        )

    def _notify(self, event: Event) -> None:
        for listener in self._listeners:
            listener.on_event(self, event)


def _set(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
