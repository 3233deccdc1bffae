"""A real web server to download from."""

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Handler = Callable[[BaseHTTPRequestHandler], None]


class WebServer:
    """Serves what the test registers, by path, and keeps the headers of each request."""

    def __init__(self) -> None:
        self.routes: dict[str, Handler] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        outer = self

        class Requests(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.requests.append(
                    (self.path, {name.lower(): text for name, text in self.headers.items()})
                )
                self.close_connection = True
                outer.routes[self.path.partition("?")[0]](self)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing on stderr."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def add(self, path: str, body: bytes, status: int = 200, **headers: str) -> str:
        """Answers `path` with `body`; underscores in header names become dashes. Returns the URL."""

        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(status)
            for name, text in {"Content_Length": str(len(body)), **headers}.items():
                request.send_header(name.replace("_", "-"), text)
            request.end_headers()
            request.wfile.write(body)

        self.routes[path] = answer
        return self.url + path
