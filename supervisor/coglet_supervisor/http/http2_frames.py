"""Protection against HTTP/2 floods: frames that are cheap to send and expensive to handle.

Only the nine-byte header of each frame is read. Requests and their bodies are not limited here: the limit
applies to frames that carry neither, relative to what the server has sent and to the elapsed time.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

PREFACE_BYTES: Final = 24
HEAD_BYTES: Final = 9

DATA: Final = 0
HEADERS: Final = 1
PRIORITY: Final = 2
RST_STREAM: Final = 3
SETTINGS: Final = 4
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9
_NAMES: Final = {
    DATA: "nearly empty DATA",
    HEADERS: "empty HEADERS",
    PRIORITY: "PRIORITY",
    RST_STREAM: "RST_STREAM",
    SETTINGS: "SETTINGS",
    PING: "PING",
    GOAWAY: "GOAWAY",
    WINDOW_UPDATE: "WINDOW_UPDATE",
    CONTINUATION: "CONTINUATION",
}

END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4

# Clients send few such frames, but sometimes in bursts: at the start, or when they give up many requests.
BURST: Final = 500
PER_S: Final = 100
# Some clients acknowledge each DATA frame twice, for its stream and for the connection; frames may be small.
_DATA_BYTES_PER_UPDATE: Final = 256
# A shorter piece of a body costs more to handle than to send.
_SMALL_DATA_BYTES: Final = 16
# A client whose window is nearly used up sends what still fits, so a large body has such pieces among others.
_DATA_BYTES_PER_SMALL: Final = 1024
_SETTINGS_BYTES: Final = 64
# The default of SETTINGS_MAX_FRAME_SIZE (RFC 9113, 4.2).
MAX_FRAME_BYTES: Final = 16_384
# 16 frames of the default size hold four times the size that a header list may have.
MAX_BLOCK_FRAMES: Final = 16
MAX_BLOCK_BYTES: Final = 128 * 1024


class Frame(NamedTuple):
    """The header of a frame. `size` is the length of its payload in bytes."""

    size: int
    kind: int
    flags: int
    stream_id: int

    @classmethod
    def at(cls, data: bytes, position: int) -> "Frame":
        """Return the frame header at `position`, of which all nine bytes must be present."""
        return cls(
            int.from_bytes(data[position : position + 3], "big"),
            data[position + 3],
            data[position + 4],
            int.from_bytes(data[position + 5 : position + 9], "big") & 0x7FFFFFFF,
        )


def whole_frames(data: bytes) -> Iterator[Frame]:
    """Return the headers of the frames in `data`, which must consist of whole frames."""
    position = 0
    while position < len(data):
        frame = Frame.at(data, position)
        yield frame
        position += HEAD_BYTES + frame.size


def goaway(last_stream_id: int, error: int, reason: str) -> bytes:
    """Return a GOAWAY frame."""
    payload = last_stream_id.to_bytes(4, "big") + error.to_bytes(4, "big") + reason.encode()
    return len(payload).to_bytes(3, "big") + bytes([GOAWAY, 0, 0, 0, 0, 0]) + payload


class FrameGuard:
    """Limits the frames of one client. `now` is a time in seconds, of any clock."""

    def __init__(self, now: float) -> None:
        self.in_head = False  # received HEADERS or CONTINUATION without END_HEADERS
        self.last_stream_id = 0
        self._skip = PREFACE_BYTES  # how many bytes of the preface or of a payload are still to come
        self._part = b""  # an incomplete frame header
        self._allowance = float(BURST)
        self._updates = 0  # how many WINDOW_UPDATE frames the data sent so far justifies
        self._body_bytes = 0  # of received data, less those that justified a small piece
        self._now = now
        self._block_frames = 0
        self._block_bytes = 0

    def receive(self, data: bytes, now: float) -> str | None:
        """Inspect received data. Return why the connection must be closed, or None.

        Must not be called again after it has returned a reason.
        """
        self._allowance = min(BURST, self._allowance + (now - self._now) * PER_S)
        self._now = now
        if self._part:
            data = self._part + data
        position = self._skip
        while position + HEAD_BYTES <= len(data):
            frame = Frame.at(data, position)
            if reason := self._judge(frame):
                return reason
            position += HEAD_BYTES + frame.size
        self._part = data[position:]
        self._skip = max(0, position - len(data))
        return None

    def sent(self, frame: Frame) -> None:
        """Count a sent frame: a response increases the allowance, a reset of a stream decreases it."""
        if frame.kind == DATA:
            self._updates += -(-frame.size // _DATA_BYTES_PER_UPDATE)
        elif frame.kind == HEADERS:
            self._allowance += 1
        elif frame.kind == RST_STREAM:
            self._allowance -= 1

    def _judge(self, frame: Frame) -> str | None:
        if frame.size > MAX_FRAME_BYTES:
            return f"a frame of {frame.size} bytes; at most {MAX_FRAME_BYTES} are allowed"
        if frame.kind in (HEADERS, CONTINUATION) and (reason := self._judge_block(frame)):
            return reason
        if frame.kind == WINDOW_UPDATE and self._updates:
            self._updates -= 1
            return None
        if frame.kind == DATA:
            self._body_bytes = min(self._body_bytes + frame.size, BURST * _DATA_BYTES_PER_SMALL)
            if frame.size < _SMALL_DATA_BYTES and self._body_bytes >= _DATA_BYTES_PER_SMALL:
                self._body_bytes -= _DATA_BYTES_PER_SMALL
                return None
        self._allowance -= _cost(frame)
        if self._allowance >= 0:
            return None
        return f"too many {_NAMES.get(frame.kind, 'unknown')} frames"

    def _judge_block(self, frame: Frame) -> str | None:
        """Check the size of a request's head, in one or several frames."""
        if frame.kind == HEADERS:
            self.last_stream_id = max(self.last_stream_id, frame.stream_id)
            self._block_frames = self._block_bytes = 0
        self.in_head = not frame.flags & END_HEADERS
        self._block_frames += 1
        self._block_bytes += frame.size
        if self._block_frames > MAX_BLOCK_FRAMES or self._block_bytes > MAX_BLOCK_BYTES:
            return f"headers in more than {MAX_BLOCK_FRAMES} frames or {MAX_BLOCK_BYTES} bytes"
        return None


def _cost(frame: Frame) -> int:
    if frame.kind == DATA:
        return int(frame.size < _SMALL_DATA_BYTES and not frame.flags & END_STREAM)
    if frame.kind == HEADERS:
        return int(frame.size == 0)
    if frame.kind == CONTINUATION:
        return 0  # limited by `_judge_block`
    if frame.kind == SETTINGS:
        return 1 + frame.size // _SETTINGS_BYTES
    return 1
