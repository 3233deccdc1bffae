"""Small web servers, for tests of what is made of their answers."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, str, str]


@contextmanager
def served(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server on loopback within the block; gives its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def answering(answers: dict[str, Answer]) -> Iterator[str]:
    """Status, media type and body by the beginning of the path; gives the URL. All else is 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fitting = [answer for path, answer in answers.items() if self.path.startswith(path)]
            status, kind, body = fitting[0] if fitting else (404, "text/plain", "")
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_PUT = do_GET

        def log_message(self, *_: object) -> None:
            return

    with served(Handler) as url:
        yield url


@contextmanager
def broken_off(answer: str) -> Iterator[str]:
    """A server whose answer to anything ends there, whatever it has announced; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(answer.encode())

        def log_message(self, *_: object) -> None:
            return

    with served(Handler) as url:
        yield url
