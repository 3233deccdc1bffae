"""The worker processes of a server under test, and models whose setup a test can hold."""

import contextlib
from typing import Final

import psutil
from testing.model import Model, inputs
from testing.server import Server
from testing.waiting import wait_for

SLOW_TO_SET_UP: Final = Model(
    "import os, pathlib, time\n"
    "class Runner:\n"
    "    def setup(self):\n"
    "        while pathlib.Path('wait').exists():\n"
    "            time.sleep(0.01)\n"
    "    def run(self, until: str) -> int:\n"
    "        print('held', flush=True)\n"
    "        while not pathlib.Path(until).exists():\n"
    "            time.sleep(0.01)\n"
    "        return os.getpid()\n",
    inputs({"until": {"type": "string"}}, "until"),
    "predict.py:Runner",
)
"""Its setup blocks while the file `wait` exists, its predictions until the file `until` exists."""

START_WAITING: Final = (
    "-c",
    "import os, pathlib, sys\n"
    "pathlib.Path('wait').touch()\n"
    "os.execv(sys.executable, [sys.executable, '-m', 'cog.server.http', *sys.argv[1:]])\n",
)
"""Entry point with which `wait` exists from the start."""


def worker_pids(server: Server) -> set[int]:
    """Return the pids of the workers that are alive."""
    alive = set()
    for child in psutil.Process(server.process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended since it was listed
            if child.status() != psutil.STATUS_ZOMBIE:
                alive.add(child.pid)
    return alive


def wait_workers(server: Server, number: int, *, without: int | None = None) -> set[int]:
    """Wait until there are `number` workers, and `without` is not among them; return their pids."""

    def found() -> set[int] | None:
        pids = worker_pids(server)
        return pids if len(pids) == number and without not in pids else None

    return wait_for(found, f"{number} workers without {without}")
