"""The server of the page: its files, a proxy to the model, and a receiver for webhooks."""

import ipaddress
import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata, resources
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from coglet_cli.errors import UserError
from coglet_cli.playground.proxy import forward
from coglet_cli.playground.webhooks import WebhookHub
from coglet_cli.server.address import bracketed
from coglet_cli.version import DISTRIBUTION

KEEP_ALIVE_S: Final = 15.0
MOST_WEBHOOK_BYTES: Final = 10 * 1024 * 1024
_MOST_WEBHOOKS: Final = 16
_TYPES: Final = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
# The files of the page at /ui of a server: data, of which no code is imported.
_PAGE: Final = ("coglet_supervisor.pages.ui", "page")
# As for the page at /ui: it loads only from this server, and no script may parse text as HTML.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


@dataclass(frozen=True)
class PlaygroundOptions:
    """The playground's address, the model server that it connects to first, and its host for webhooks."""

    target: str
    host: str = "127.0.0.1"
    port: int = 0
    webhook_host: str = "host.docker.internal"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, options: PlaygroundOptions) -> None:
        if ":" in options.host:
            self.address_family = socket.AF_INET6
        super().__init__((options.host, options.port), _Handler)
        self.options = options
        self.hub = WebhookHub()
        self.webhook_slots = threading.BoundedSemaphore(_MOST_WEBHOOKS)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a browser that closes its connection during a request."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """The page's URL for a browser on this machine."""
        address = ipaddress.ip_address(self.options.host)
        host = "localhost" if address.is_unspecified else bracketed(self.options.host)
        return f"http://{host}:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._route()

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        """Log nothing: the page shows its requests."""

    def _route(self) -> None:
        path = urlsplit(self.path).path
        try:
            if path.startswith("/webhook/") and self.command == "POST":
                self._take_webhook(path.removeprefix("/webhook/"))
            elif not self._is_local():
                self._answer(HTTPStatus.FORBIDDEN, b"the playground is only available on this machine\n")
            elif path.startswith("/proxy/"):
                forward(self, self.path.removeprefix("/proxy"))
            elif self.command == "GET":
                self._get(path)
            else:
                self._answer(HTTPStatus.METHOD_NOT_ALLOWED, b"method not allowed\n")
        except ConnectionError:
            self.close_connection = True  # the browser closed it

    def _is_local(self) -> bool:
        """Return True for a loopback client with our own Host and Origin, against DNS rebinding and CSRF."""
        own = {f"{name}:{self.server.server_port}" for name in ("localhost", "127.0.0.1", "[::1]")}
        own.add(f"{bracketed(self.server.options.host)}:{self.server.server_port}")
        origin = self.headers.get("Origin")
        return (
            ipaddress.ip_address(self.client_address[0].removeprefix("::ffff:")).is_loopback
            and self.headers.get("Host") in own
            and (origin is None or origin.removeprefix("http://") in own)
        )

    def _get(self, path: str) -> None:
        if path == "/config":
            self._answer(HTTPStatus.OK, json.dumps(self._config()).encode(), "application/json")
        elif path == "/events":
            self._send_events()
        else:
            self._send_file(path.removeprefix("/") or "index.html")

    def _config(self) -> dict[str, str]:
        options = self.server.options
        return {
            "target": options.target,
            "webhookBase": f"http://{bracketed(options.webhook_host)}:{self.server.server_port}",
            "cogVersion": metadata.version(DISTRIBUTION),
        }

    def _send_file(self, name: str) -> None:
        package, folder = _PAGE
        file = resources.files(package).joinpath(folder, name)
        # Our own files have no slash in their names; this rejects paths to others.
        if "/" in name or not file.is_file():
            self._answer(HTTPStatus.NOT_FOUND, b"not found\n")
        else:
            kind = _TYPES[name.rpartition(".")[2]]
            self._answer(HTTPStatus.OK, file.read_bytes(), f"{kind}; charset=utf-8")

    def _take_webhook(self, token: str) -> None:
        if not self.server.webhook_slots.acquire(blocking=False):
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, b"too many webhooks at once\n")
            return
        try:
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal():
                self._refuse(HTTPStatus.LENGTH_REQUIRED, b"a webhook must have a Content-Length\n")
            elif int(length) > MOST_WEBHOOK_BYTES:
                self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b"a webhook may have at most 10 MiB\n")
            else:
                body = self.rfile.read(int(length))
                if len(body) == int(length):  # otherwise the sender closed the connection early
                    self.server.hub.put(token, body)
                self._answer(HTTPStatus.OK, b"")
        finally:
            self.server.webhook_slots.release()

    def _send_events(self) -> None:
        token = parse_qs(urlsplit(self.path).query).get("token", [""])[0]
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        for event in self.server.hub.events(token, KEEP_ALIVE_S):
            # One line of data: a webhook is JSON, whose newlines are only between values.
            text = b": still here" if event is None else b"data: " + b" ".join(event.splitlines())
            self.wfile.write(text + b"\n\n")
            self.wfile.flush()

    def _refuse(self, status: HTTPStatus, text: bytes) -> None:
        """Answer a request whose body is left unread, and close the connection."""
        self.close_connection = True
        self._answer(status, text)

    def _answer(self, status: HTTPStatus, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def playground(options: PlaygroundOptions) -> Iterator[str]:
    """Run the server during the block and yield its URL. Raises UserError if it cannot listen."""
    try:
        server = _Server(options)
    except OSError as error:
        raise UserError(
            f"the playground cannot listen on {options.host}:{options.port}: {error.strerror}",
            hint="choose another port, or 0 for a free one",
        ) from None
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        try:
            yield server.url
        finally:
            server.hub.close()
            server.shutdown()
            thread.join()
