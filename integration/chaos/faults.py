"""The fault injector: a seeded sequence of faults in workers, disk, sockets and webhook receiver."""

import contextlib
import random
import signal
import socket
import threading
from collections import Counter
from pathlib import Path
from typing import Final

import psutil
from integration.chaos.ledger import Trouble
from testing.server import Server

_LONGEST_PAUSE_S: Final = 0.4
_PIECE: Final = b"x" * 65536
_GARBAGE: Final = (
    b"\0" * 300,
    b"GET / HTTP/9.9\r\n\r\n",
    b"POST /predictions HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
)


class Injector(threading.Thread):
    """Injects faults until the stop event is set, then reverts those that do not end by themselves."""

    def __init__(
        self, server: Server, trouble: Trouble, disk: Path | None, seed: int, stop: threading.Event
    ) -> None:
        super().__init__(name="injector")
        self.error: BaseException | None = None
        self.injected: Counter[str] = Counter()
        self._server = server
        self._trouble = trouble
        self._filler = disk / "filler" if disk is not None else None
        self._random = random.Random(seed)
        self._stop_asked = stop
        self._stopped: list[psutil.Process] = []
        self._idle: list[socket.socket] = []

    def run(self) -> None:
        faults = [
            self._kill_worker,
            self._kill_worker,
            self._stop_worker,
            self._continue_workers,
            self._replace_workers,
            self._fill_disk,
            self._empty_disk,
            self._break_receiver,
            self._trouble.end,
            self._connect_and_wait,
            self._send_garbage,
        ]
        try:
            while not self._stop_asked.wait(self._random.uniform(0.01, _LONGEST_PAUSE_S)):
                fault = self._random.choice(faults)
                self.injected[fault.__name__.strip("_")] += 1
                fault()
        except BaseException as error:  # noqa: BLE001 - reported to the test, which waits in another thread
            self.error = error
        finally:
            self._continue_workers()
            self._empty_disk()
            self._trouble.end()
            self._hang_up()

    def _workers(self) -> list[psutil.Process]:
        children = psutil.Process(self._server.process.pid).children()
        return sorted(children, key=lambda child: child.pid)

    def _signal_worker(self, number: int) -> psutil.Process | None:
        workers = self._workers()
        if not workers:
            return None
        worker = self._random.choice(workers)
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.send_signal(number)
        return worker

    def _kill_worker(self) -> None:
        self._signal_worker(self._random.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV]))

    def _stop_worker(self) -> None:
        worker = self._signal_worker(signal.SIGSTOP)
        if worker is not None:
            self._stopped.append(worker)

    def _continue_workers(self) -> None:
        for worker in self._stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.send_signal(signal.SIGCONT)
        self._stopped.clear()

    def _replace_workers(self) -> None:
        self._server.signal(signal.SIGHUP)

    def _fill_disk(self) -> None:
        if self._filler is None:
            return
        with contextlib.suppress(OSError), self._filler.open("ab", buffering=0) as filler:
            while filler.write(_PIECE):
                pass

    def _empty_disk(self) -> None:
        if self._filler is not None:
            self._filler.unlink(missing_ok=True)

    def _break_receiver(self) -> None:
        self._trouble.begin(hang_up=self._random.random() < 0.5)

    def _connect_and_wait(self) -> None:
        self._hang_up()
        address = (self._server.address.host, self._server.address.port)
        self._idle = [socket.create_connection(address) for _ in range(self._random.randrange(100))]
        for sock in self._idle[::2]:
            sock.sendall(b"POST /predictions HTTP/1.1\r\nContent-Le")

    def _hang_up(self) -> None:
        for sock in self._idle:
            sock.close()
        self._idle.clear()

    def _send_garbage(self) -> None:
        with self._server.address.socket() as sock, contextlib.suppress(ConnectionError):
            sock.sendall(self._random.choice(_GARBAGE))
            sock.recv(4096)
