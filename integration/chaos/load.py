"""Client threads that request quick and slow work, crashes and floods; they cancel, leave or read slowly."""

import contextlib
import http.client
import json
import random
import socket
import threading
from typing import Any, Final

from integration.chaos.ledger import Ledger
from testing.client import exchange
from testing.server import Server

# Acts of the model, weighted. Those that kill a worker are rare, or no worker would ever serve.
_ACTS: Final = {
    "work": 60,
    "fail": 10,
    "flood": 5,
    "large": 3,
    "file": 5,
    "stray": 3,
    "deaf": 3,
    "die": 2,
    "exit": 1,
    "freeze": 1,
}
_SIZES: Final = {"flood": 3000, "large": 9_000, "file": 3000}
_LONGEST_WORK_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 0.02


class Client(threading.Thread):
    """Sends requests of random kinds until the stop event is set."""

    def __init__(
        self, server: Server, ledger: Ledger, webhook: str, name: str, stop: threading.Event
    ) -> None:
        super().__init__(name=f"client-{name}")
        self.error: BaseException | None = None
        self._server = server
        self._ledger = ledger
        self._webhook = webhook
        self._random = random.Random(name)
        self._stop_asked = stop
        self._prefix = name
        self._count = 0

    def run(self) -> None:
        ways = [self._wait, self._wait, self._wait, self._start, self._cancel, self._leave, self._dawdle]
        try:
            while not self._stop_asked.wait(self._random.uniform(0, _LONGEST_PAUSE_S)):
                self._random.choice(ways)()
        except BaseException as error:  # noqa: BLE001 - reported to the test, which waits in another thread
            self.error = error

    def _wait(self) -> None:
        name, body = self._request()
        answer = self._server.address.request("POST", "/predictions", body)
        self._ledger.asked(name, answer.status, answer.json()["status"] if answer.status == 200 else None)

    def _start(self) -> str:
        name, body = self._request()
        answer = self._server.address.request("POST", "/predictions", body, {"Prefer": "respond-async"})
        self._ledger.asked(name, answer.status)
        return name

    def _cancel(self) -> None:
        name = self._start()
        self._stop_asked.wait(self._random.uniform(0, _LONGEST_WORK_S))
        answer = self._server.cancel(name)
        if answer.status not in {200, 404}:
            self._ledger.unexpected.append(f"{name}: cancel answered {answer.status}")

    def _leave(self) -> None:
        """The client never learns whether it was accepted: the ledger allows at most one end for these."""
        with self._server.address.socket() as sock:
            sock.sendall(self._raw()[: self._random.choice([None, 30, 200])])
            self._stop_asked.wait(self._random.uniform(0, _LONGEST_WORK_S))
            if self._random.random() < 0.5:  # a reset instead of an orderly close
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    def _dawdle(self) -> None:
        """Reads a large answer in small pieces with pauses, and not always to its end."""
        with self._server.address.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.sendall(self._raw("large"))
            with contextlib.suppress(ConnectionError):
                for _ in range(self._random.randrange(20)):
                    if not sock.recv(4096):
                        break
                    self._stop_asked.wait(0.01)

    def _raw(self, act: str | None = None) -> bytes:
        _, body = self._request(act)
        if act == "large":
            # The backlog of webhooks is bounded, and this many large outputs would reach the limit.
            del body["webhook"], body["webhook_events_filter"]
        content = json.dumps(body).encode()
        head = "POST /predictions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content

    def _request(self, act: str | None = None) -> tuple[str, dict[str, Any]]:
        self._count += 1
        name = f"{self._prefix}-{self._count}"
        act = act or self._random.choices([*_ACTS], [*_ACTS.values()])[0]
        return name, {
            "id": name,
            "input": {
                "act": act,
                "seconds": self._random.uniform(0, _LONGEST_WORK_S),
                "size": self._random.randrange(_SIZES.get(act, 100)),
            },
            "webhook": f"{self._webhook}/{name}",
            "webhook_events_filter": ["completed"],
        }


class Probe(threading.Thread):
    """Polls the health check continuously: the server must answer whatever happens to its workers."""

    def __init__(self, server: Server, stop: threading.Event) -> None:
        super().__init__(name="probe")
        self.error: BaseException | None = None
        self.answers = 0
        self._server = server
        self._stop_asked = stop

    def run(self) -> None:
        try:
            with self._server.address.connect() as connection:
                while not self._stop_asked.wait(0.02):
                    answer = exchange(connection, "GET", "/health-check")
                    assert answer.status == 200, answer
                    self.answers += 1
        except (OSError, http.client.HTTPException, AssertionError) as error:
            self.error = error
