"""An HTTP/2 client that can also violate the protocol."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import h2.config
import h2.connection
import h2.events

from testing.client import Address

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 6, 7, 8, 9
END_STREAM, END_HEADERS = 0x1, 0x4

Fields = Sequence[tuple[bytes, bytes]]


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """Return the bytes of a frame."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream_id.to_bytes(4, "big") + payload


def fields(method: bytes = b"GET", path: bytes = b"/livez", *more: tuple[bytes, bytes]) -> Fields:
    """The head of a request."""
    return [
        (b":method", method),
        (b":path", path),
        (b":scheme", b"http"),
        (b":authority", b"localhost"),
        *more,
    ]


def encoded(head: Fields) -> bytes:
    """Not compressed, and so good for any stream of any connection (RFC 7541, 6.2.3)."""
    return b"".join(b"\x10" + _string(name) + _string(value) for name, value in head)


def _string(text: bytes) -> bytes:
    if len(text) < 127:
        return bytes([len(text)]) + text
    more, rest = b"\x7f", len(text) - 127
    while rest >= 128:
        more, rest = more + bytes([rest % 128 | 128]), rest // 128
    return more + bytes([rest]) + text


def goaway_code(said: bytes) -> int | None:
    """Return the error code of the GOAWAY frame among the frames of a server, or None."""
    position = 0
    while position + 9 <= len(said):
        size = int.from_bytes(said[position : position + 3], "big")
        if said[position + 3] == GOAWAY:
            return int.from_bytes(said[position + 13 : position + 17], "big")
        position += 9 + size
    return None


@dataclass
class Stream:
    """The part of a response that has arrived. `error` is the code with which the server reset the stream."""

    status: int = 0
    body: bytearray = field(default_factory=bytearray)
    has_ended: bool = False
    error: int | None = None

    @property
    def is_over(self) -> bool:
        return self.has_ended or self.error is not None


def read_all(address: Address, data: bytes) -> bytes:
    """Send `data` on a new connection and return everything the server sends until it closes."""
    said = b""
    with address.socket() as sock, suppress(ConnectionError):
        with suppress(ConnectionError):
            sock.sendall(data)
        while piece := sock.recv(65536):
            said += piece
    return said


class Http2Client:
    """One connection of a well-behaved client. `raw` is its socket, for violations.

    Unless it `acknowledges` what it gets, it is soon sent nothing more on a stream.
    """

    def __init__(self, raw: socket.socket, *, acknowledges: bool = True) -> None:
        self.raw = raw
        self._acknowledges = acknowledges
        # The library must not reject what is wrong on purpose.
        config = h2.config.H2Configuration(
            header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self._h2 = h2.connection.H2Connection(config)
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(2**24)  # else one stream could use up what all share
        self._streams: dict[int, Stream] = {}
        self._flush()

    def begin(self, head: Fields, body: bytes | None = None, *, more: bool = False) -> int:
        """Send a request; return its stream. With `more` the body does not end here."""
        stream_id = self._h2.get_next_available_stream_id()
        self._streams[stream_id] = Stream()
        self._h2.send_headers(stream_id, head, end_stream=body is None and not more)
        if body is not None:
            self._h2.send_data(stream_id, body, end_stream=not more)
        self._flush()
        return stream_id

    def request(self, head: Fields, body: bytes | None = None) -> tuple[int, bytes]:
        """Return status and body of the response. Raises ConnectionError when the connection ends before."""
        stream = self.wait_over(self.begin(head, body))
        assert stream.error is None
        return stream.status, bytes(stream.body)

    def wait_over(self, stream_id: int) -> Stream:
        """Wait until the server has ended or reset the stream, and return it."""
        while not self._streams[stream_id].is_over:
            self.receive()
        return self._streams[stream_id]

    def wait_end(self) -> None:
        """Return when the server has closed the connection."""
        with suppress(ConnectionError):
            while True:
                self.receive()

    def send_body(self, stream_id: int, size: int) -> None:
        """Send so many bytes as fast as the windows allow, or until the stream has ended."""
        while size and not self._streams[stream_id].is_over:
            if room := min(self._h2.local_flow_control_window(stream_id), size, 16_384):
                self._h2.send_data(stream_id, bytes(room))
                size -= room
                self._flush()
            else:
                self.receive()

    def receive(self) -> None:
        """Process the server's next bytes. Raises ConnectionError at the end of the connection."""
        data = self.raw.recv(65536)
        if not data:
            raise ConnectionResetError("the server has closed the connection")
        for event in self._h2.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                self._streams[event.stream_id].status = int(dict(event.headers)[b":status"])
            elif isinstance(event, h2.events.DataReceived):
                self._streams[event.stream_id].body += event.data
                if self._acknowledges:
                    self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self._streams[event.stream_id].has_ended = True
            elif isinstance(event, h2.events.StreamReset):
                self._streams[event.stream_id].error = int(event.error_code)
        self._flush()

    def _flush(self) -> None:
        self.raw.sendall(self._h2.data_to_send())


@contextmanager
def http2(address: Address, *, acknowledges: bool = True) -> Iterator[Http2Client]:
    """A connection by prior knowledge."""
    with address.socket() as raw:
        yield Http2Client(raw, acknowledges=acknowledges)
