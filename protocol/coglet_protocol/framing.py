"""Length-prefixed frames of the slot sockets: 4-byte big-endian payload length, then the payload."""

from collections.abc import Iterator
from typing import Final

from coglet_protocol.errors import FrameTooLarge
from coglet_protocol.limits import MAX_FRAME_BYTES

HEADER_BYTES: Final = 4


def frame(payload: bytes) -> bytes:
    """Return the bytes of one frame. Raises FrameTooLarge above `MAX_FRAME_BYTES`."""
    length = len(payload)
    if length > MAX_FRAME_BYTES:
        raise FrameTooLarge(length)
    return length.to_bytes(HEADER_BYTES, "big") + payload


class Deframer:
    """Turns byte chunks of any size into whole payloads. Holds bytes, does no I/O."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield each payload that `chunk` completes, in order.

        Raises FrameTooLarge if a header announces more than `MAX_FRAME_BYTES`.
        """
        # A chunk that begins and ends with a frame, which is the usual case, is never copied
        # into the buffer.
        data: bytes | bytearray = chunk
        if self._rest:
            self._rest += chunk
            data = self._rest
        start, available = 0, len(data)
        try:
            while available - start >= HEADER_BYTES:
                body = start + HEADER_BYTES
                length = int.from_bytes(data[start:body], "big")
                # Checked before the payload arrives: a corrupt header must not make us wait for,
                # and buffer, up to 4 GiB.
                if length > MAX_FRAME_BYTES:
                    raise FrameTooLarge(length)
                end = body + length
                if available < end:
                    break
                start = end
                yield bytes(data[body:end])
        finally:
            if data is self._rest:
                del self._rest[:start]
            else:
                self._rest += data[start:]

    @property
    def mid_frame(self) -> bool:
        """True when an EOF now would lose data."""
        return bool(self._rest)
