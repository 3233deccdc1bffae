"""Messages of a slot: MessagePack in length-prefixed frames (`coglet_protocol.framing`).

Inputs and outputs are JSON text inside a binary field, so that neither side scans, escapes or decodes what it
only passes on.
"""

from typing import Annotated, Final, Literal

import msgspec

from coglet_protocol.control import LogSource
from coglet_protocol.errors import ProtocolError
from coglet_protocol.framing import frame

MetricMode = Literal["replace", "increment", "append"]
FileKind = Literal["file_type", "oversized"]
# Integers that fit into all fields of the format of traces, and of msgspec's limits.
_MAX_INT: Final = 2**63 - 1


class SlotMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """Base of all slot messages; `type` on the wire selects the class."""


class InputFile(msgspec.Struct, frozen=True, kw_only=True):
    """The file to which a URL in the input refers: at `path`, and called `name`. The worker copies it."""

    url: str
    path: str
    name: str


class Predict(SlotMessage, frozen=True, kw_only=True, tag="predict"):
    """Supervisor -> worker. Starts one prediction on an idle slot.

    Exactly one of `input` (JSON text) and `input_file` (path of a spill file with the same text) is set.
    `output_dir` is a folder that the worker may create for files of this prediction. `sequence` counts
    the predictions that the supervisor has sent. `files` are URLs that need no download. `trace` holds the
    header fields `traceparent` and `tracestate` (W3C Trace Context) of a run that is traced.
    """

    id: str
    output_dir: str
    input: bytes | None = None
    input_file: str | None = None
    context: dict[str, str] = {}
    sequence: int = 0
    files: tuple[InputFile, ...] = ()
    trace: dict[str, str] = {}


class Log(SlotMessage, frozen=True, kw_only=True, tag="log"):
    """Worker -> supervisor. Text printed by this prediction."""

    source: LogSource
    data: str


class Output(SlotMessage, frozen=True, kw_only=True, tag="output"):
    """Worker -> supervisor. One item, as JSON text; `index` counts all items of the prediction from 0."""

    output: bytes
    index: int = 0


class FileOutput(SlotMessage, frozen=True, kw_only=True, tag="file_output"):
    """Worker -> supervisor. An item in a file: the model's own, or an oversized one (JSON text).

    The file belongs to the supervisor from now on, which removes it. `name` is its name in the model.
    A file met inside a value has a `placeholder`: the text that stands for its URL in the Output of the
    same index. `mime_type` is a field of the documented message that our worker leaves out: our supervisor
    takes the type from the name.
    """

    filename: str
    kind: FileKind
    mime_type: str | None = None
    name: str | None = None
    index: int = 0
    placeholder: str | None = None


class Metric(SlotMessage, frozen=True, kw_only=True, tag="metric"):
    """Worker -> supervisor. A change of one metric; `value` is JSON text, and null with replace deletes."""

    name: str
    value: bytes
    mode: MetricMode


class Downloaded(SlotMessage, frozen=True, kw_only=True, tag="downloaded"):
    """Worker -> supervisor. The end of one download. Sent only if the Predict had a `trace`.

    `span_id` is the number that the download has sent as the parent in its own `traceparent`. `origin` is
    scheme, host and port of the URL, whose other parts may be secret. Times are nanoseconds since the epoch.
    `error` is the status or the class of the error if it failed.
    """

    id: str
    span_id: Annotated[int, msgspec.Meta(ge=1, le=_MAX_INT)]
    origin: str
    started_ns: Annotated[int, msgspec.Meta(ge=0, le=_MAX_INT)]
    ended_ns: Annotated[int, msgspec.Meta(ge=0, le=_MAX_INT)]
    size_bytes: Annotated[int, msgspec.Meta(ge=0, le=_MAX_INT)] = 0
    error: str | None = None


class Done(SlotMessage, frozen=True, kw_only=True, tag="done"):
    """Worker -> supervisor, terminal.

    `predict_time` is the wall time inside the model in seconds, a field of the documented message. Our
    supervisor reports its own measurement, which also exists for predictions that fail or are canceled.
    `output` is the result as JSON text if it is a single value; `is_stream` means that the result was a list,
    generator or iterator, whose items were sent before.
    """

    id: str
    predict_time: float
    output: bytes | None = None
    is_stream: bool = False


class Failed(SlotMessage, frozen=True, kw_only=True, tag="failed"):
    """Worker -> supervisor, terminal."""

    id: str
    error: str


class Cancelled(SlotMessage, frozen=True, kw_only=True, tag="cancelled"):
    """Worker -> supervisor, terminal."""

    id: str


ToWorker = Predict
FromWorker = Log | Output | FileOutput | Metric | Downloaded | Done | Failed | Cancelled

_encoder = msgspec.msgpack.Encoder()
_to_worker: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
_from_worker: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


def encode_frame(message: ToWorker | FromWorker) -> bytes:
    """Return one message as one frame.

    Raises FrameTooLarge if it does not fit; callers spill or cut large values before.
    """
    return frame(_encoder.encode(message))


def decode_to_worker(payload: bytes) -> ToWorker:
    """Decode a message on the worker's side.

    Raises ProtocolError, with msgspec's path to the offending field, if the payload is not a message.
    """
    try:
        return _to_worker.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"unreadable slot message: {error}") from error


def decode_from_worker(payload: bytes) -> FromWorker:
    """Decode a message on the supervisor's side.

    Raises ProtocolError, with msgspec's path to the offending field, if the payload is not a message.
    """
    try:
        return _from_worker.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"unreadable slot message: {error}") from error
