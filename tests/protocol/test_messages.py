"""Messages survive encoding and decoding, whatever they hold; what is not a message is rejected."""

import signal
import typing
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coglet_protocol import control, slot
from coglet_protocol.errors import FrameTooLarge, ProtocolError, VersionMismatch
from coglet_protocol.limits import PROTOCOL_VERSION

Message = TypeVar("Message", bound=msgspec.Struct)


def messages_of(kind: type[Message]) -> st.SearchStrategy[Message]:
    fields = {field.name: values_of(field.type) for field in msgspec.structs.fields(kind)}
    return st.builds(kind, **fields)


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    if annotation is int:
        return st.integers(-(2**63), 2**63 - 1)
    if typing.get_origin(annotation) is typing.Annotated:
        (limits,) = annotation.__metadata__
        return st.integers(limits.ge, limits.le)
    if annotation is float:
        return st.floats(allow_nan=False)
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return messages_of(annotation)
    return st.from_type(annotation)


def any_of(union: Any) -> st.SearchStrategy[Any]:
    return st.one_of([messages_of(kind) for kind in typing.get_args(union) or (union,)])


@given(any_of(control.ToWorker))
def test_the_worker_decodes_what_the_supervisor_sends(message: control.ToWorker) -> None:
    line = control.encode_line(message)
    assert line.index(b"\n") == len(line) - 1
    assert control.decode_to_worker(line) == message


@given(any_of(control.FromWorker))
def test_the_supervisor_decodes_what_the_worker_sends(message: control.FromWorker) -> None:
    line = control.encode_line(message)
    assert line.index(b"\n") == len(line) - 1
    assert control.decode_from_worker(line) == message


@given(any_of(slot.ToWorker))
def test_a_prediction_arrives_as_it_was_sent(message: slot.ToWorker) -> None:
    assert slot.decode_to_worker(slot.encode_frame(message)[4:]) == message


@given(any_of(slot.FromWorker))
def test_the_results_of_a_prediction_arrive_as_they_were_sent(message: slot.FromWorker) -> None:
    assert slot.decode_from_worker(slot.encode_frame(message)[4:]) == message


@given(st.binary(max_size=200))
def test_bytes_that_are_not_a_message_raise_nothing_but_protocol_errors(payload: bytes) -> None:
    for decode in (
        control.decode_to_worker,
        control.decode_from_worker,
        slot.decode_to_worker,
        slot.decode_from_worker,
    ):
        with pytest.raises(ProtocolError, match="unreadable"):
            decode(payload)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"not json", "unreadable control message b'not json': JSON is malformed"),
        (b'{"type":"cancel","slot":"s"}', "missing required field `id`"),
        (b'{"type":"cancel","slot":"s","id":5}', r"Expected `str`, got `int` - at `\$.id`"),
        (b'{"type":"ready","slots":[]}', r"Invalid value 'ready' - at `\$.type`"),
        (b'{"id":"hc_1"}', "missing required field `type`"),
        (b'{"type":"healthcheck","id":"\xff"}', "'utf-8' codec can't decode byte 0xff"),
        (b"[" * 100_000, "unreadable control message"),
        (b"x" * 200, r"unreadable control message b'x{100}'\.\.\.: "),
    ],
    ids=["no JSON", "missing field", "wrong type", "other direction", "no type", "no UTF-8", "deep", "long"],
)
def test_the_reason_names_the_message_and_the_field(line: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        control.decode_to_worker(line)


def test_a_field_that_a_newer_peer_added_is_ignored() -> None:
    line = b'{"type":"healthcheck","id":"hc_1","deadline":5}'
    assert control.decode_to_worker(line) == control.Healthcheck(id="hc_1")
    payload = msgspec.msgpack.encode({"type": "cancelled", "id": "pred_1", "reason": "new"})
    assert slot.decode_from_worker(payload) == slot.Cancelled(id="pred_1")


def test_text_that_is_not_utf_8_is_refused_on_a_slot_too() -> None:
    with pytest.raises(ProtocolError, match="unreadable slot message: 'utf-8' codec can't decode byte 0xff"):
        slot.decode_from_worker(b"\x82\xa4type\xa9cancelled\xa2id\xa1\xff")


def test_nesting_without_end_is_refused_where_a_field_is_ignored() -> None:
    """Skipping what is unknown recurses, too."""
    nested = b"[" * 100_000 + b"]" * 100_000
    with pytest.raises(ProtocolError, match="unreadable control message"):
        control.decode_to_worker(b'{"type":"shutdown","unknown":' + nested + b"}")
    map_of_three, text, array_of_one = b"\x83", msgspec.msgpack.encode, b"\x91"
    fields = text("type") + text("cancelled") + text("id") + text("pred_1") + text("unknown")
    with pytest.raises(ProtocolError, match="unreadable slot message"):
        slot.decode_from_worker(map_of_three + fields + array_of_one * 100_000 + text(None))


def test_a_field_with_a_default_may_be_left_out_by_hand() -> None:
    line = b"""{"type":"init","predictor_ref":"predict.py","num_slots":1,
        "transport_info":{"type":"named_sockets","dir":"/tmp/slots","num_slots":1}}"""
    message = control.decode_to_worker(line)
    assert isinstance(message, control.Init)
    assert message.version == PROTOCOL_VERSION


def test_what_an_earlier_release_sends_is_understood() -> None:
    """It omits fields that were added later."""
    ready = control.decode_from_worker(b'{"type":"ready","slots":["s"],"has_healthcheck":true,"version":1}')
    assert ready == control.Ready(slots=["s"], cancel_signal=signal.SIGUSR1)
    init = control.decode_to_worker(
        b"""{"type":"init","predictor_ref":"predict.py","num_slots":1,"is_train":false,"is_async":false,
        "transport_info":{"type":"named_sockets","dir":"/tmp/slots","num_slots":1},"version":1}"""
    )
    assert isinstance(init, control.Init)
    assert init.idle


def test_a_number_that_is_not_a_signal_is_refused() -> None:
    with pytest.raises(ProtocolError, match=r"Expected `int` <= 64 - at `\$.cancel_signal`"):
        control.decode_from_worker(b'{"type":"ready","slots":["s"],"cancel_signal":65}')


def test_messages_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        control.Idle(slot="s").slot = "t"  # type: ignore[misc]


def test_a_message_above_the_limit_is_not_sent() -> None:
    with pytest.raises(FrameTooLarge):
        slot.encode_frame(slot.Output(output=bytes(9 * 1024 * 1024)))


def test_another_protocol_version_is_refused_with_both_numbers() -> None:
    control.check_version(PROTOCOL_VERSION)
    theirs = PROTOCOL_VERSION + 1
    expected = f"protocol version {theirs} received, this side uses version {PROTOCOL_VERSION}; install"
    with pytest.raises(VersionMismatch, match=expected):
        control.check_version(PROTOCOL_VERSION + 1)
