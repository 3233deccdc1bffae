"""The limits of one HTTP/2 client's frames, with times and frames as plain values."""

import pytest

from coglet_supervisor.http.http2_frames import (
    BURST,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    MAX_BLOCK_FRAMES,
    MAX_FRAME_BYTES,
    PER_S,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Frame,
    FrameGuard,
    goaway,
    whole_frames,
)
from coglet_supervisor.http.http2_waits import Stopwatch, Waits

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, size: int = 0, flags: int = 0, stream_id: int = 1) -> bytes:
    return size.to_bytes(3, "big") + bytes([kind, flags]) + stream_id.to_bytes(4, "big") + bytes(size)


REQUEST = frame(HEADERS, 20, END_HEADERS | END_STREAM)


@pytest.fixture
def guard() -> FrameGuard:
    guard = FrameGuard(0.0)
    assert guard.receive(PREFACE, 0.0) is None
    return guard


def taken(guard: FrameGuard, data: bytes, now: float = 0.0, most: int = 20_000) -> int:
    """Return how often the guard accepts `data` before it reports a reason to close."""
    return next((count for count in range(most) if guard.receive(data, now)), most)


@pytest.mark.parametrize(
    "cheap",
    [
        frame(PRIORITY, 5),
        frame(RST_STREAM, 4),
        frame(SETTINGS, 6),
        frame(PING, 8),
        frame(WINDOW_UPDATE, 4),
        frame(DATA),
        frame(DATA, 1),
        frame(HEADERS),
        frame(0xAB, 3),
    ],
)
def test_frames_are_limited_per_burst_and_per_second(guard: FrameGuard, cheap: bytes) -> None:
    assert taken(guard, cheap) == BURST
    patient = FrameGuard(0.0)
    patient.receive(PREFACE, 0.0)
    for count in range(20_000):
        assert patient.receive(cheap, count / PER_S) is None


@pytest.mark.parametrize(
    "honest",
    [REQUEST, frame(DATA, 16_384), frame(DATA, 16), frame(DATA, 0, END_STREAM)],
)
def test_requests_and_bodies_are_not_counted(guard: FrameGuard, honest: bytes) -> None:
    assert taken(guard, honest) == 20_000


def test_small_pieces_of_a_large_body_are_not_counted(guard: FrameGuard) -> None:
    """As Go's client sends them when its window is nearly used up."""
    assert taken(guard, frame(DATA, 1024) + frame(DATA, 1)) == 20_000


def test_a_large_body_allows_no_more_than_another_burst(guard: FrameGuard) -> None:
    assert taken(guard, frame(DATA, MAX_FRAME_BYTES), most=1000) == 1000
    assert taken(guard, frame(DATA)) == 2 * BURST


def test_acknowledgments_are_allowed_in_proportion_to_sent_data(guard: FrameGuard) -> None:
    for _ in range(10_000):
        guard.sent(Frame(1000, DATA, 0, 1))
        assert guard.receive(frame(WINDOW_UPDATE, 4) * 2, 0.0) is None


def test_each_response_allows_one_cancel(guard: FrameGuard) -> None:
    assert guard.receive(REQUEST + frame(RST_STREAM, 4), 0.0) is None
    for _ in range(10_000):
        guard.sent(Frame(20, HEADERS, END_HEADERS, 1))
        assert guard.receive(REQUEST + frame(RST_STREAM, 4), 0.0) is None


def test_streams_that_the_server_has_to_reset_count_as_well(guard: FrameGuard) -> None:
    for _ in range(BURST):
        assert guard.receive(REQUEST, 0.0) is None
        guard.sent(Frame(4, RST_STREAM, 0, 1))
    assert guard.receive(frame(PING, 8), 0.0)


def test_a_settings_frame_with_thousands_of_settings_counts_more(guard: FrameGuard) -> None:
    assert taken(guard, frame(SETTINGS, 16_380)) < 3


def test_a_head_has_few_frames_and_few_bytes(guard: FrameGuard) -> None:
    assert guard.receive(frame(HEADERS, 20), 0.0) is None
    assert guard.in_head
    assert taken(guard, frame(CONTINUATION, 20)) == MAX_BLOCK_FRAMES - 1


def test_large_heads_are_accepted_repeatedly(guard: FrameGuard) -> None:
    large = frame(HEADERS, 16_000) + frame(CONTINUATION, 16_000) * 2 + frame(CONTINUATION, 10, END_HEADERS)
    assert taken(guard, large, most=1000) == 1000
    assert not guard.in_head


def test_a_frame_that_is_too_large(guard: FrameGuard) -> None:
    assert guard.receive(frame(DATA, MAX_FRAME_BYTES), 0.0) is None
    reason = guard.receive(frame(DATA, MAX_FRAME_BYTES + 1), 0.0)
    assert reason == "a frame of 16385 bytes; at most 16384 are allowed"


@pytest.mark.parametrize("piece_bytes", [1, 7, 9, 10, 1000])
def test_frames_in_pieces_of_any_size(piece_bytes: int) -> None:
    data = (
        PREFACE
        + REQUEST
        + frame(HEADERS, 30, END_HEADERS, 7)
        + frame(DATA, 100, 0, 7)
        + frame(PING, 8) * BURST
    )
    guard = FrameGuard(0.0)
    for start in range(0, len(data), piece_bytes):
        assert guard.receive(data[start : start + piece_bytes], 0.0) is None
    assert guard.last_stream_id == 7
    assert guard.receive(frame(PING, 8), 0.0) == "too many PING frames"


def test_a_goaway_frame() -> None:
    (head,) = whole_frames(goaway(7, 11, "calm"))
    assert head == Frame(12, 7, 0, 0)
    assert goaway(7, 11, "calm")[9:] == b"\0\0\0\x07\0\0\0\x0bcalm"


def test_a_stopwatch_runs_as_long_as_what_it_measures() -> None:
    watch = Stopwatch()
    assert [watch.seconds(now, holds=True) for now in (1.0, 2.0, 4.5)] == [0.0, 1.0, 3.5]
    assert watch.seconds(5.0, holds=False) == 0.0
    assert watch.seconds(9.0, holds=True) == 0.0


def test_a_client_that_reads_is_not_waited_for() -> None:
    waits = Waits()
    assert [waits.for_reading(now, 1000, 100) for now in (0.0, 1.0, 9.0)] == [0.0, 0.0, 8.0]
    assert waits.for_reading(10.0, 1000, 99) == 0.0
    assert waits.for_reading(11.0, 2000, 1099) == 0.0  # written, and not yet read
    assert waits.for_reading(12.0, 2000, 1099) == 1.0
    assert waits.for_reading(13.0, 2000, 0) == 0.0


def test_a_stream_is_stuck_when_nothing_of_it_is_sent() -> None:
    waits = Waits()
    assert waits.stuck(0.0, {1, 3}, 5.0) == []
    waits.sent(3)
    assert waits.stuck(5.5, {1, 3}, 5.0) == [1]
    assert waits.stuck(6.0, {3}, 5.0) == []
    assert waits.stuck(11.0, {1, 3}, 5.0) == [3]
