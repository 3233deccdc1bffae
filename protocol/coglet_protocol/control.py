"""Messages of the control channel: JSON lines on the worker's stdin and stdout.

JSON, because a person must be able to read them and to drive a worker by hand. The channel carries the
life of the worker process; predictions travel on the slots (`coglet_protocol.slot`).
"""

import signal
from typing import Annotated, Final, Literal

import msgspec

from coglet_protocol.errors import ProtocolError, VersionMismatch
from coglet_protocol.limits import PROTOCOL_VERSION

LogSource = Literal["stdout", "stderr"]
HealthStatus = Literal["healthy", "unhealthy"]
InputKind = Literal["file", "secret", "integer"]
"""The type of an input, or of its items, that the schema declares and the JSON value does not show."""


class ControlMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of all control messages; `type` on the wire selects the class."""


class NamedSockets(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="named_sockets"):
    """Where the worker finds its slots: `dir/slot-<i>.sock`, to be connected in order of i."""

    dir: str
    num_slots: int


class Init(ControlMessage, frozen=True, kw_only=True, tag="init"):
    """Supervisor -> worker, the first message: which model to load, and where the slots are.

    With `idle` the worker sends Idle after each prediction, and Cancelled before it. A supervisor that treats
    the terminal message of a slot as the end, which is sent as soon as the slot is free, needs neither.

    `is_async` is a field of the documented message that our worker ignores: the model's method shows it.

    `input_kinds` names the inputs that the worker converts according to the schema; None stands for a model
    without a schema, whose annotations alone decide.
    """

    predictor_ref: str
    num_slots: int
    transport_info: NamedSockets
    is_train: bool = False
    is_async: bool = False
    idle: bool = True
    input_kinds: dict[str, InputKind] | None = None
    version: int = PROTOCOL_VERSION


class Cancel(ControlMessage, frozen=True, kw_only=True, tag="cancel"):
    """Supervisor -> worker. Cancels the prediction on a slot if it is still the one named here.

    `sequence` repeats the number of its Predict, because an id may be used again: a cancel that arrives
    late must not cancel the next prediction of the same id. Without numbers, the id alone names the
    prediction: the one that runs on the slot, or the next one there.
    """

    slot: str
    id: str
    sequence: int = 0


class Healthcheck(ControlMessage, frozen=True, kw_only=True, tag="healthcheck"):
    """Supervisor -> worker. Runs the model's own check; `id` comes back with the result."""

    id: str


class Ping(ControlMessage, frozen=True, kw_only=True, tag="ping"):
    """Supervisor -> worker. Asks for a Pong: from the event loop of an async model, which also runs its
    predictions; from the control thread of a sync one, whose main thread may be busy.

    The Pong repeats `id`, for a supervisor that distinguishes several. Ours sends 0, because any Pong shows
    that the worker is alive.
    """

    id: int


class Shutdown(ControlMessage, frozen=True, kw_only=True, tag="shutdown"):
    """Supervisor -> worker. Finish the running predictions, then exit."""


class Ready(ControlMessage, frozen=True, kw_only=True, tag="ready"):
    """Worker -> supervisor. Setup is done; `slots` are the ids in the order of their sockets.

    A supervisor may send signal `cancel_signal` to the process along with each Cancel, so that a model that
    holds the interpreter lets the worker read it; 0 stands for none. A model may use SIGUSR1, the default,
    itself.
    """

    slots: list[str]
    has_healthcheck: bool = True
    cancel_signal: Annotated[int, msgspec.Meta(ge=0, le=64)] = int(signal.SIGUSR1)
    version: int = PROTOCOL_VERSION


class Log(ControlMessage, frozen=True, kw_only=True, tag="log"):
    """Worker -> supervisor. Text printed outside any prediction."""

    source: LogSource
    data: str


class WorkerLog(ControlMessage, frozen=True, kw_only=True, tag="worker_log"):
    """Worker -> supervisor. A structured record of the worker runtime itself."""

    target: str
    level: Literal["debug", "info", "warning", "error"]
    message: str


class Idle(ControlMessage, frozen=True, kw_only=True, tag="idle"):
    """Worker -> supervisor. The slot takes the next prediction. Sent after the terminal message of the slot,
    unless `Init.idle` is false; never for a slot that is poisoned."""

    slot: str


class Cancelled(ControlMessage, frozen=True, kw_only=True, tag="cancelled"):
    """Worker -> supervisor. The prediction on that slot was canceled. Sent before its Idle."""

    slot: str


class Failed(ControlMessage, frozen=True, kw_only=True, tag="failed"):
    """Worker -> supervisor. The slot is poisoned: it takes no further prediction."""

    slot: str
    error: str


class Fatal(ControlMessage, frozen=True, kw_only=True, tag="fatal"):
    """Worker -> supervisor. An unrecoverable error; the worker exits right after."""

    reason: str


class DroppedLogs(ControlMessage, frozen=True, kw_only=True, tag="dropped_logs"):
    """Worker -> supervisor. `count` lines of Log and WorkerLog were dropped at this position, within
    `interval_millis`, because the supervisor did not read. Other messages are never dropped."""

    count: int
    interval_millis: int


class HealthcheckResult(ControlMessage, frozen=True, kw_only=True, tag="healthcheck_result"):
    """Worker -> supervisor. Answer to the Healthcheck of the same id."""

    id: str
    status: HealthStatus
    error: str | None = None


class Pong(ControlMessage, frozen=True, kw_only=True, tag="pong"):
    """Worker -> supervisor. Answer to the Ping of the same id."""

    id: int


class ShuttingDown(ControlMessage, frozen=True, kw_only=True, tag="shutting_down"):
    """Worker -> supervisor. The last message before an orderly exit."""


class SetupFailed(ControlMessage, frozen=True, kw_only=True, tag="setup_failed"):
    """Worker -> supervisor. The model cannot be loaded, or its setup raised; the worker exits."""

    kind: Literal["load", "setup"]
    error: str
    traceback: str


ToWorker = Init | Cancel | Healthcheck | Ping | Shutdown
FromWorker = (
    Ready
    | Log
    | WorkerLog
    | Idle
    | Cancelled
    | Failed
    | Fatal
    | DroppedLogs
    | HealthcheckResult
    | Pong
    | ShuttingDown
    | SetupFailed
)

MAX_LINE_BYTES: Final = 32 * 1024 * 1024
"""Largest control line. A log message of 4 MiB is six times as long when JSON escapes each byte."""

_encoder = msgspec.json.Encoder()
_to_worker: msgspec.json.Decoder[ToWorker] = msgspec.json.Decoder(ToWorker)
_from_worker: msgspec.json.Decoder[FromWorker] = msgspec.json.Decoder(FromWorker)


def encode_line(message: ToWorker | FromWorker) -> bytes:
    """Return one message as one JSON line, including the newline."""
    return _encoder.encode(message) + b"\n"


def decode_to_worker(line: bytes) -> ToWorker:
    """Decode a message on the worker's side.

    Raises ProtocolError, with msgspec's path to the offending field, if the line is not a message.
    """
    try:
        return _to_worker.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"unreadable control message {_excerpt(line)}: {error}") from error


def decode_from_worker(line: bytes) -> FromWorker:
    """Decode a message on the supervisor's side.

    Raises ProtocolError, with msgspec's path to the offending field, if the line is not a message.
    """
    try:
        return _from_worker.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"unreadable control message {_excerpt(line)}: {error}") from error


def check_version(theirs: int) -> None:
    """Raise VersionMismatch unless the peer's version is `PROTOCOL_VERSION`."""
    if theirs != PROTOCOL_VERSION:
        raise VersionMismatch(PROTOCOL_VERSION, theirs)


def _excerpt(line: bytes) -> str:
    return repr(line[:100]) + ("..." if len(line) > 100 else "")
