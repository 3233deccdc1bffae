"""hardening.md R9, R18, R26: neither twenty thousand predictions nor a killed server leave anything."""

import contextlib
import json
import random
import signal
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
from integration.chaos.supervisor_use import Use
from integration.conftest import Serve
from testing import processes
from testing.client import exchange
from testing.model import Model, inputs
from testing.receiver import Received, Receiver, Reply
from testing.server import Server
from testing.waiting import wait_for

pytestmark = [pytest.mark.ours("hardening.md R9, R18, R26"), pytest.mark.slow, pytest.mark.timeout(600)]

PREDICTIONS: Final = 20_000
CLIENTS: Final = 8
# Allocator growth is tolerated; a leak of a hundred bytes per prediction is detected.
MAX_GROWTH_BYTES: Final = 8 * 1024 * 1024
MODEL: Final = Model(
    "import asyncio\n"
    "from cog import Path\n"
    "class Runner:\n"
    "    async def run(self, act: str, seconds: float) -> object:\n"
    "        await asyncio.sleep(seconds)\n"
    "        print(act)\n"
    "        if act == 'fail':\n"
    "            raise RuntimeError('as asked')\n"
    "        if act == 'file':\n"
    "            path = Path('output.bin')\n"
    "            path.write_bytes(b'x' * 10_000)\n"
    "            return path\n"
    "        return act\n",
    inputs({"act": {"type": "string"}, "seconds": {"type": "number"}}, "act", "seconds"),
    "predict.py:Runner",
)


def ask(server: Server, seed: int, count: int) -> Counter[str]:
    """Run predictions of one client; return how many ended in each way."""
    rng = random.Random(seed)
    ends: Counter[str] = Counter()
    with server.address.connect() as connection:
        for number in range(count):
            body = {
                "id": f"{seed}-{number}",
                "input": {
                    "act": rng.choice(["say", "say", "say", "say", "say", "fail", "fail", "file"]),
                    "seconds": rng.choice([0, 0.002]),
                },
            }
            way = rng.random()
            if way < 0.1:
                leave(server, body)
                ends["left"] += 1
            elif way < 0.2:
                exchange(connection, "POST", "/predictions", body, {"Prefer": "respond-async"})
                exchange(connection, "POST", f"/predictions/{body['id']}/cancel")
                ends["cancel asked"] += 1
            else:
                answer = exchange(connection, "POST", "/predictions", body)
                ends[answer.json()["status"] if answer.status == 200 else str(answer.status)] += 1
    return ends


def leave(server: Server, body: Mapping[str, object]) -> None:
    content = json.dumps(body).encode()
    head = f"POST /predictions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n\r\n"
    with server.address.socket() as sock:
        sock.sendall(head.encode() + content)


def run(server: Server, count: int, seed: int) -> Counter[str]:
    with ThreadPoolExecutor(CLIENTS) as pool:
        parts = [pool.submit(ask, server, seed + client, count // CLIENTS) for client in range(CLIENTS)]
    return sum((part.result() for part in parts), Counter())


def store_most(received: Received) -> Reply:
    """Answer of an upload server that refuses one file in ten and closes each connection."""
    status = 404 if received.at * 1e6 % 10 < 1 else 200
    return Reply(status, {"Connection": "close"})


def test_twenty_thousand_predictions_leave_nothing_behind(serve: Serve) -> None:
    with Receiver().listening() as store:
        store.answer = store_most
        check_that_nothing_is_left(serve, store)


def check_that_nothing_is_left(serve: Serve, store: Receiver) -> None:
    variables = {"COG_MAX_CONCURRENCY": "16", "COG_LOG_LEVEL": "error"}
    with serve(MODEL, variables=variables, flags=("--upload-url", f"{store.url}/files")) as server:
        run(server, PREDICTIONS // 10, seed=100)
        wait_for(lambda: server.health()["status"] == "READY", "rest")
        before = Use.of(server)
        ends = run(server, PREDICTIONS, seed=200)
        after = wait_for(lambda: settled(server, before), "descriptors as before")
        print(f"{dict(ends)}, {len(store.received)} uploads; {before} before, {after} after")
        assert len(store.received) > 1000
        assert sum(ends.values()) == PREDICTIONS
        assert min(ends["succeeded"], ends["failed"], ends["left"], ends["cancel asked"]) > 1000
        assert after.resident_bytes - before.resident_bytes < MAX_GROWTH_BYTES
        # The folder of a prediction is removed beside its response, not before it.
        wait_for(lambda: not folders_of_predictions(server), "removal of all folders")


def folders_of_predictions(server: Server) -> list[Path]:
    return [path for path in server.temporary.glob("pycoglet-*/*") if path.is_dir()]


def settled(server: Server, before: Use) -> Use | None:
    now = Use.of(server)
    return now if now.descriptors <= before.descriptors else None


def test_a_server_that_is_killed_under_load_leaves_nothing_running(serve: Serve) -> None:
    with serve(MODEL, variables={"COG_WORKERS": "2", "COG_MAX_CONCURRENCY": "8"}) as server:
        with ThreadPoolExecutor(CLIENTS) as pool:
            asking = [pool.submit(ask, server, seed, PREDICTIONS) for seed in range(CLIENTS)]
            wait_for(lambda: "succeeded" in server.log, "load")
            server.signal(signal.SIGKILL)
            killed = time.monotonic()
            wait_for(lambda: not processes.marked(server.mark), "end of all processes")
            print(f"nothing was left after {time.monotonic() - killed:.3f} s")
            for each in asking:
                with contextlib.suppress(Exception):
                    each.result()
