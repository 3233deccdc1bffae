"""Frames: however the bytes are cut, the payloads are the same; an oversized frame is rejected early."""

from collections.abc import Generator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coglet_protocol.errors import FrameTooLarge
from coglet_protocol.framing import HEADER_BYTES, Deframer, frame
from coglet_protocol.limits import MAX_FRAME_BYTES


def chunks_of(stream: bytes, cuts: list[int]) -> list[bytes]:
    return [stream[start:end] for start, end in pairwise([0, *sorted(cuts), len(stream)])]


@given(st.lists(st.binary(max_size=300)), st.data())
def test_how_bytes_are_cut_never_changes_the_payloads(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(frame, payloads))
    cuts = data.draw(st.lists(st.integers(0, len(stream))))
    deframer = Deframer()
    assert [p for chunk in chunks_of(stream, cuts) for p in deframer.feed(chunk)] == payloads
    assert not deframer.mid_frame


@given(st.binary(max_size=300), st.data())
def test_an_end_inside_a_frame_is_noticed(payload: bytes, data: st.DataObject) -> None:
    whole = frame(payload)
    deframer = Deframer()
    assert list(deframer.feed(whole[: data.draw(st.integers(1, len(whole) - 1))])) == []
    assert deframer.mid_frame


@given(st.lists(st.binary(max_size=20), min_size=2), st.data())
def test_a_reader_may_stop_in_the_middle_of_a_chunk(payloads: list[bytes], data: st.DataObject) -> None:
    deframer = Deframer()
    reader = deframer.feed(b"".join(map(frame, payloads)))
    taken = [next(reader) for _ in range(data.draw(st.integers(1, len(payloads) - 1)))]
    assert isinstance(reader, Generator)
    reader.close()
    assert taken + list(deframer.feed(b"")) == payloads


def test_the_header_is_the_length_in_four_bytes_big_endian() -> None:
    assert frame(b"") == b"\0\0\0\0"
    assert frame(b"x" * 258) == b"\0\0\1\2" + b"x" * 258


def test_the_largest_frame_passes() -> None:
    payload = bytes(MAX_FRAME_BYTES)
    assert list(Deframer().feed(frame(payload))) == [payload]


def test_a_larger_payload_is_not_framed() -> None:
    with pytest.raises(FrameTooLarge, match="frame of 8388609 bytes, the limit is 8388608"):
        frame(bytes(MAX_FRAME_BYTES + 1))


@pytest.mark.parametrize("announced", [MAX_FRAME_BYTES + 1, 0xFFFFFFFF])
def test_a_larger_header_is_refused_before_its_payload_arrives(announced: int) -> None:
    deframer = Deframer()
    stream = frame(b"good") + announced.to_bytes(HEADER_BYTES, "big")
    payloads = deframer.feed(stream)
    assert next(payloads) == b"good"
    with pytest.raises(FrameTooLarge, match=f"frame of {announced} bytes"):
        next(payloads)
