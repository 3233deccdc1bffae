"""The web server of the tests, for webhooks, uploads, downloads and registries.

It keeps what it gets, and answers with pages or with what a function makes of the request.

Its two neighbors exist for what it cannot do: `testing.stalling` answers not even a TLS handshake, and
`testing.counting_receiver` takes thousands of requests a second.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from testing.ports import HOST
from testing.waiting import DEADLINE_S

_PIECE_BYTES: Final = 1024 * 1024


@dataclass(frozen=True)
class Received:
    """One request. `body` is cut after a MiB, `sha256` and `size` are of all of it; `at` is monotonic."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    size: int
    sha256: str
    at: float

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class Peer:
    """The sender of a request, for responses that are slow, in pieces, or not valid HTTP."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self._handler = handler

    def send(self, data: bytes) -> None:
        """Send these bytes as they are. Raises ConnectionError when the sender has disconnected."""
        self._handler.wfile.write(data)

    def wait_hung_up(self) -> None:
        """Wait until the sender closes the connection."""
        self._handler.rfile.read(1)


@dataclass(frozen=True)
class Reply:
    """What to answer. `write`, if there is one, sends all of it, also the head; then the connection ends."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    write: Callable[[Peer], None] | None = None


HANG_UP: Final = Reply(status=0, write=lambda _: None)
"""No response, and so no status: the connection is closed."""

Answering = Callable[[Received], Reply]


class Receiver:
    """A web server on a port of its own. Requests are in `received` in the order in which they arrived.

    A page answers the requests whose path begins with its own; among several the longest decides. All others
    get what `answer` says: 404 from a server that was made with pages (also with {}), else 200.
    """

    def __init__(self, pages: Mapping[str, Reply] | None = None, *, port: int = 0) -> None:
        self.received: list[Received] = []
        self.pages = dict(pages or {})
        self.answer: Answering = lambda _: Reply(200 if pages is None else 404)
        self.connections = 0
        self._changed = threading.Condition()
        outer = self

        class Requests(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except ConnectionError:  # the sender has hung up
                    self.close_connection = True

            def do_POST(self) -> None:
                outer._handle(self)

            do_PUT = do_GET = do_HEAD = do_DELETE = do_POST

            def log_message(self, format: str, *args: Any) -> None:
                """Log nothing to stderr."""

        class Listener(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def get_request(self) -> Any:
                outer.connections += 1
                return super().get_request()

        self._server = Listener((HOST, port), Requests)
        self.port: int = self._server.server_port
        self.url = f"http://{HOST}:{self.port}"

    @contextmanager
    def listening(self) -> Iterator["Receiver"]:
        """Answer requests within the block; after it the port is closed."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def add(self, path: str, body: bytes, status: int = 200, **headers: str) -> str:
        """Add a page and return its URL; underscores in names of headers stand for dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[path] = Reply(status, named, body)
        return self.url + path

    def bodies(self, path: str | None = None) -> list[Any]:
        """Return the JSON bodies that have arrived, on all paths or on one."""
        return [request.json() for request in list(self.received) if path in (None, request.path)]

    def wait_until(self, holds: Callable[[list[Received]], object], what: str) -> list[Received]:
        """Wait until the received requests satisfy the condition; return them."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: holds(self.received), DEADLINE_S)
            statuses = [(request.path, request.body[:200]) for request in self.received]
        assert arrived, f"no {what} within {DEADLINE_S:g} s; received {statuses}"
        return list(self.received)

    def wait_count(self, count: int) -> list[Received]:
        """Wait for that many requests."""
        return self.wait_until(lambda received: len(received) >= count, f"{count} requests")

    def wait_end(self, prediction_id: str | None = None) -> list[Any]:
        """Wait for the terminal webhook, of one prediction or of any; return all bodies until then."""

        def has_ended(received: list[Received]) -> bool:
            return any(
                body["status"] in ("succeeded", "failed", "canceled") and prediction_id in (None, body["id"])
                for body in (request.json() for request in received)
            )

        return [request.json() for request in self.wait_until(has_ended, "terminal webhook")]

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        received = _read(handler)
        with self._changed:
            answer = self.answer  # a test that has seen the request may replace it for the next one
            self.received.append(received)
            self._changed.notify_all()
        reply = self._reply(received, answer)
        if reply.write:
            handler.close_connection = True
            reply.write(Peer(handler))
            return
        handler.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(reply.body)

    def _reply(self, received: Received, answer: Answering) -> Reply:
        fitting = [path for path in self.pages if received.path.startswith(path)]
        return self.pages[max(fitting, key=len)] if fitting else answer(received)


def _read(handler: BaseHTTPRequestHandler) -> Received:
    left = int(handler.headers.get("content-length", 0))
    digest, size, kept = hashlib.sha256(), 0, b""
    while left > 0:
        piece = handler.rfile.read(min(left, _PIECE_BYTES))
        if not piece:
            raise ConnectionError("the sender has hung up within a body")
        digest.update(piece)
        kept = kept or piece
        size += len(piece)
        left -= len(piece)
    headers = {name.lower(): value for name, value in handler.headers.items()}
    path = handler.path
    return Received(handler.command, path, headers, kept, size, digest.hexdigest(), time.monotonic())


def redirect(location: str, status: int) -> Reply:
    """Return a redirect."""
    return Reply(status, {"Location": location})


def page(status: int, media_type: str, text: str) -> Reply:
    """A text of some media type."""
    return Reply(status, {"Content-Type": media_type}, text.encode())


@contextmanager
def answering(pages: Mapping[str, Reply]) -> Iterator[str]:
    """Serve these pages and no others within the block; yields the URL."""
    with Receiver(pages).listening() as receiver:
        yield receiver.url


def in_turn(*replies: Reply) -> Answering:
    """Return an answering function that sends these replies in turn, and repeats the last one."""
    left = list(replies)
    lock = threading.Lock()

    def answer(_: Received) -> Reply:
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    return answer
