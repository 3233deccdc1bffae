"""An HTTP/2 client that also sends what no honest one would."""

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
    """The bytes of a frame."""
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
    """The error code of the GOAWAY frame among the frames that a server has sent, or None."""
    position = 0
    while position + 9 <= len(said):
        size = int.from_bytes(said[position : position + 3], "big")
        if said[position + 3] == GOAWAY:
            return int.from_bytes(said[position + 13 : position + 17], "big")
        position += 9 + size
    return None


@dataclass
class Stream:
    """What has come of an answer so far. `error` is the code with which the server has reset the stream."""

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
    """One connection of an honest client. `raw` is its socket, for what is not honest.

    Unless it `acknowledges` what it gets, it is soon sent nothing more on a stream.
    """

    def __init__(self, raw: socket.socket, *, acknowledges: bool = True) -> None:
        self.raw = raw
        self._acknowledges = acknowledges
        # What is wrong on purpose must get past the library.
        config = h2.config.H2Configuration(
            header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self._h2 = h2.connection.H2Connection(config)
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(2**24)  # else one stream could use up what all share
        self._streams: dict[int, Stream] = {}
        self._flush()

    def begin(self, head: Fields, body: bytes | None = None, *, more: bool = False) -> int:
        """Sends a request; gives its stream. With `more` the body does not end here."""
        stream_id = self._h2.get_next_available_stream_id()
        self._streams[stream_id] = Stream()
        self._h2.send_headers(stream_id, head, end_stream=body is None and not more)
        if body is not None:
            self._h2.send_data(stream_id, body, end_stream=not more)
        self._flush()
        return stream_id

    def request(self, head: Fields, body: bytes | None = None) -> tuple[int, bytes]:
        """Status and body of the answer. Raises ConnectionError when the connection ends before."""
        stream = self.wait_over(self.begin(head, body))
        assert stream.error is None
        return stream.status, bytes(stream.body)

    def wait_over(self, stream_id: int) -> Stream:
        """The stream, when the server has ended or reset it."""
        while not self._streams[stream_id].is_over:
            self.receive()
        return self._streams[stream_id]

    def wait_end(self) -> None:
        """Returns when the server has closed the connection."""
        with suppress(ConnectionError):
            while True:
                self.receive()

    def send_body(self, stream_id: int, size: int) -> None:
        """Sends so many bytes as fast as the windows allow, or until the stream is over."""
        while size and not self._streams[stream_id].is_over:
            if room := min(self._h2.local_flow_control_window(stream_id), size, 16_384):
                self._h2.send_data(stream_id, bytes(room))
                size -= room
                self._flush()
            else:
                self.receive()

    def receive(self) -> None:
        """Takes what the server says next. Raises ConnectionError at the end of the connection."""
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
