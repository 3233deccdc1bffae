"""TLS below a connection: the handshake, and the transport of the protocol that comes after it.

With the TLS of asyncio and uvloop, a server learns of a connection only when the handshake is over, and
so cannot limit how many there are; it cannot see how much is still to be sent; and the end waits for an
alert that many clients never send. Here OpenSSL works between two buffers in memory, below the protocols
that serve HTTP.
"""

import asyncio
import contextlib
import logging
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

from coglet_supervisor.http.connection import HEAD_TIMEOUT_S

log = logging.getLogger(__name__)

_READ_BYTES: Final = 64 * 1024
# How much is encrypted at once. More waits until the client has read it.
_WRITE_BYTES: Final = 256 * 1024


class Host(Protocol):
    """The part of HttpServer that TlsConnection uses."""

    def opened(self, connection: "TlsConnection") -> None: ...

    def closed(self, connection: "TlsConnection") -> None: ...


class TlsConnection(asyncio.Protocol, asyncio.Transport):
    """The protocol of a TCP connection, and the transport of the protocol that serves it over TLS.

    The host knows it during the handshake, and afterwards its successor, which `make_successor` returns. What
    is written waits in `_backlog` while the buffer of the TCP connection is full.
    """

    def __init__(
        self, host: Host, context: ssl.SSLContext, make_successor: Callable[[], asyncio.Protocol]
    ) -> None:
        super().__init__()
        self._host = host
        self._context = context
        self._make_successor = make_successor
        self._loop = asyncio.get_running_loop()
        self._carrier: asyncio.Transport
        self._deadline = self._loop.time() + HEAD_TIMEOUT_S  # of the handshake
        self._received, self._sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._sent, server_side=True)
        self._successor: asyncio.Protocol | None = None
        self._backlog: deque[memoryview] = deque()
        self._backlog_bytes = 0
        self._is_full = False  # the buffer of the TCP connection
        self._is_writer_paused = False  # the successor was asked to write no more
        self._is_paused = False  # the successor does not want to read
        self._is_closing = False

    # asyncio.Protocol, for the TCP connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._carrier = cast("asyncio.Transport", transport)
        self.descriptor: int = transport.get_extra_info("socket").fileno()
        self._host.opened(self)

    def data_received(self, data: bytes) -> None:
        if not self._is_closing:
            self._received.write(data)
            self._receive()

    def eof_received(self) -> bool:
        if self._successor is not None:
            self._successor.eof_received()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closing = True
        if self._successor is None:
            self._host.closed(self)
        else:
            self._successor.connection_lost(exc)

    def pause_writing(self) -> None:
        self._is_full = True
        if self._successor is not None and not self._is_writer_paused:
            self._is_writer_paused = True
            self._successor.pause_writing()

    def resume_writing(self) -> None:
        self._is_full = False
        self._encrypt()
        if self._is_writer_paused and not self._is_full and self._successor is not None:
            self._is_writer_paused = False
            self._successor.resume_writing()

    # asyncio.Transport, for the successor

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._context if name == "sslcontext" else self._carrier.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._successor = cast("asyncio.Protocol", protocol)

    def is_closing(self) -> bool:
        return self._is_closing

    def pause_reading(self) -> None:
        self._is_paused = True
        self._carrier.pause_reading()

    def resume_reading(self) -> None:
        self._is_paused = False
        self._carrier.resume_reading()
        self._loop.call_soon(self._receive)  # what was decrypted or received already

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._is_closing and data:
            self._backlog.append(memoryview(data))
            self._backlog_bytes += len(data)
            self._encrypt()

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return self._backlog_bytes + self._carrier.get_write_buffer_size()

    def close(self) -> None:
        """Send what is buffered and the alert that this is the end; do not wait for that of the client."""
        self._is_closing = True
        self._encrypt()

    def abort(self) -> None:
        self._is_closing = True
        self._carrier.abort()

    # for the host, during the handshake

    @property
    def is_idle(self) -> bool:
        """True: no request is lost when it is closed."""
        return True

    def refuse_at_capacity(self) -> None:
        """Close: a response would need the handshake, which costs more than a request."""
        self.abort()

    def check(self, now: float) -> None:
        """Close the connection if the handshake takes too long. The host calls this periodically."""
        if self._deadline < now:
            self.abort()

    def _receive(self) -> None:
        """Continue the handshake, or pass on what the client has sent."""
        try:
            if self._successor is None:
                self._shake_hands()
            while not self._is_paused and not self._is_closing:
                data = self._tls.read(_READ_BYTES)
                assert self._successor is not None
                if not data:  # the alert that this is the end
                    self._successor.eof_received()
                    self.close()
                    return
                self._successor.data_received(data)
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as error:
            log.debug("TLS failed: %s", error)
            self._flush()  # an alert that says why
            self._is_closing = True
            self._carrier.close()

    def _shake_hands(self) -> None:
        """Raises SSLWantReadError until the handshake is complete."""
        self._tls.do_handshake()
        self._flush()
        self._successor = self._make_successor()
        self._host.closed(self)
        self._successor.connection_made(self)

    def _encrypt(self) -> None:
        while self._backlog and not self._is_full:
            piece = self._backlog.popleft()
            rest = piece[_WRITE_BYTES:]
            if rest:
                self._backlog.appendleft(rest)
            piece = piece[:_WRITE_BYTES]
            self._backlog_bytes -= len(piece)
            while piece:
                piece = piece[self._tls.write(piece) :]
            self._flush()
        if self._is_closing and not self._backlog and not self._carrier.is_closing():
            self._say_goodbye()
            self._carrier.close()

    def _say_goodbye(self) -> None:
        with contextlib.suppress(ssl.SSLError):  # the client has not answered, or there was no handshake
            self._tls.unwrap()
        self._flush()

    def _flush(self) -> None:
        if self._sent.pending and not self._carrier.is_closing():
            self._carrier.write(self._sent.read())
