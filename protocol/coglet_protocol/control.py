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
"""What the schema says of an input, or of its items, and its JSON value does not show."""


class ControlMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of all control messages; `type` on the wire selects the class."""


class NamedSockets(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="named_sockets"):
    """Where the worker finds its slots: `dir/slot-<i>.sock`, to be connected in order of i."""

    dir: str
    num_slots: int


class Init(ControlMessage, frozen=True, kw_only=True, tag="init"):
    """Supervisor -> worker, the first message. Which model to load, and where the slots are.

    With `idle` the worker says Idle, and Cancelled before it, after each prediction. A supervisor that takes
    the terminal message of a slot for its return, which comes as soon as the slot is free, needs neither.

    `is_async` is a field of the documented message that our worker ignores: the model's method shows it.

    `input_kinds` names the inputs that the worker converts, as the schema has them; None stands for a model
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
    """Supervisor -> worker. Cancels the prediction on a slot, if it is still that one.

    `sequence` repeats the number of its Predict, because an id may be used again: a cancel that arrives
    late must not hit the next prediction of the same id. Without numbers, an id alone names the prediction:
    the one that runs on the slot, or the next one there.
    """

    slot: str
    id: str
    sequence: int = 0


class Healthcheck(ControlMessage, frozen=True, kw_only=True, tag="healthcheck"):
    """Supervisor -> worker. Runs the model's own check; `id` comes back with the result."""

    id: str


class Ping(ControlMessage, frozen=True, kw_only=True, tag="ping"):
    """Supervisor -> worker. Asks for a Pong, on the way that a prediction takes as far as that can be asked:
    over the event loop of an async model, from the control thread of a sync one.

    The Pong repeats `id`, for a supervisor that has to tell several apart. Ours sends 0, as any Pong is a
    sign of life.
    """

    id: int


class Shutdown(ControlMessage, frozen=True, kw_only=True, tag="shutdown"):
    """Supervisor -> worker. End in order."""


class Ready(ControlMessage, frozen=True, kw_only=True, tag="ready"):
    """Worker -> supervisor. Setup is done; `slots` are the ids in the order of their sockets.

    A supervisor may send `cancel_signal` to the process beside each Cancel, so that a model that holds the
    interpreter lets the worker read it; 0 stands for none. A model may use SIGUSR1, the default, for itself.
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
    """Worker -> supervisor. The slot takes the next prediction. Comes after the terminal message of the slot,
    unless Init asks for none; never for a slot that is poisoned."""

    slot: str


class Cancelled(ControlMessage, frozen=True, kw_only=True, tag="cancelled"):
    """Worker -> supervisor. The prediction on that slot was cancelled. Comes before its Idle."""

    slot: str


class Failed(ControlMessage, frozen=True, kw_only=True, tag="failed"):
    """Worker -> supervisor. The slot is poisoned: it takes no further prediction."""

    slot: str
    error: str


class Fatal(ControlMessage, frozen=True, kw_only=True, tag="fatal"):
    """Worker -> supervisor. Unrecoverable; the worker exits right after."""

    reason: str


class DroppedLogs(ControlMessage, frozen=True, kw_only=True, tag="dropped_logs"):
    """Worker -> supervisor. So many lines of Log and WorkerLog were dropped here, in so many milliseconds,
    because the supervisor did not read. All other messages wait for it."""

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
    """Worker -> supervisor. The last message of an orderly end."""


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
    """One message as one JSON line, the newline included."""
    return _encoder.encode(message) + b"\n"


def decode_to_worker(line: bytes) -> ToWorker:
    """The worker's side. Raises ProtocolError with msgspec's path to the offending field."""
    try:
        return _to_worker.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"unreadable control message {_excerpt(line)}: {error}") from error


def decode_from_worker(line: bytes) -> FromWorker:
    """The supervisor's side. Raises ProtocolError with msgspec's path to the offending field."""
    try:
        return _from_worker.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"unreadable control message {_excerpt(line)}: {error}") from error


def check_version(theirs: int) -> None:
    """Raises VersionMismatch unless the peer speaks `PROTOCOL_VERSION`."""
    if theirs != PROTOCOL_VERSION:
        raise VersionMismatch(PROTOCOL_VERSION, theirs)


def _excerpt(line: bytes) -> str:
    return repr(line[:100]) + ("..." if len(line) > 100 else "")
