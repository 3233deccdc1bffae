"""hardening.md A1, S21: whatever arrives, the server survives, serves the next client, and leaks nothing."""

import contextlib
import itertools
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from integration.chaos.supervisor_use import Use
from integration.conftest import Serve
from integration.fuzz import api, hostile_worker, http1, http2
from integration.fuzz.mutation import mutated
from integration.fuzz.sending import attack
from testing.client import Address
from testing.model import Model
from testing.server import Server
from testing.waiting import DEADLINE_S, wait_for

SURFACES: Final = 5
SECONDS: Final = float(os.environ.get("PYCOGLET_FUZZ", "10")) / SURFACES
FIRST: Final = int(os.environ.get("PYCOGLET_FUZZ_FIRST", "1"))
BURST: Final = 20
WORKER_ROUND_S: Final = 2.0
_IMPATIENT: Final = {"COG_HANG_TIMEOUT": "1", "COG_SETUP_TIMEOUT": "1", "COG_CANCEL_GRACE": "0.2"}
_SETTLED: Final = {"READY", "DEFUNCT", "SETUP_FAILED"}

MODEL: Final = Model("""
from typing import Iterator, Optional
from cog import BasePredictor, Input, Path, Secret, streaming

class Predictor(BasePredictor):
    @streaming
    def predict(
        self,
        text: str = "",
        count: int = Input(default=1, ge=0, le=5),
        items: list[str] = [],
        data: dict = {},
        file: Optional[Path] = None,
        secret: Secret = None,
    ) -> Iterator[str]:
        print(text)
        for _ in range(count):
            yield text
""")
# The model never raises, so each of these is a fault of the server.
_TRACEBACKS: Final = ("Traceback (most recent call last)", "was never retrieved", "unhandled")

pytestmark = [
    pytest.mark.ours("hardening.md: fuzzing"),
    pytest.mark.slow,
    pytest.mark.timeout(SECONDS + 6 * DEADLINE_S),
]

Attack = Callable[[Address, random.Random], None]
CLIENTS: Final[dict[str, Attack]] = {
    "http1": lambda address, rng: attack(address, rng, http1.requests(rng)),
    "http2": lambda address, rng: attack(address, rng, http2.frames(rng)),
    "api": api.ask,
}


def rounds(surface: str) -> Iterator[tuple[str, random.Random]]:
    """Yield seeds and their generators until the time for the surface is over, at least two."""
    ends = time.monotonic() + SECONDS
    for number in itertools.count(FIRST):
        if number > FIRST + 1 and time.monotonic() > ends:
            print(f"{surface}: {number - FIRST} rounds from seed {FIRST} on")
            return
        seed = f"{surface}-{number}"
        yield seed, random.Random(seed)


@pytest.mark.parametrize("surface", CLIENTS)
def test_the_server_outlives_every_client(serve: Serve, surface: str) -> None:
    with serve(MODEL, variables={"COG_CANCEL_GRACE": "5", "COG_RECORDS_MAX_BYTES": "1000000"}) as server:
        first: list[Use] = []  # after a round, when lazy imports are done
        for seed, rng in rounds(surface):
            with failure_report(server, seed):
                for _ in range(BURST):
                    CLIENTS[surface](server.address, rng)
                assert_serves(server)
            first = first or [Use.of(server)]
        (before,) = first
        wait_for(lambda: Use.of(server).is_near(before), f"use as {before}")
        assert_no_traceback(server)


def test_the_server_outlives_every_worker(serve: Serve, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nprintf x >> started\nexec {sys.executable} {hostile_worker.__file__}\n")
    python.chmod(0o755)
    for seed, rng in rounds("worker"):
        variables = {"COG_WORKER_PYTHON": str(python), "FUZZ_SEED": seed, **_IMPATIENT}
        with serve(MODEL, variables=variables, until=None) as server, failure_report(server, seed):
            wait_for(lambda: status(server), "an answer")
            ends = time.monotonic() + WORKER_ROUND_S
            for number in range(BURST):
                # Until another worker serves; some never will.
                while time.monotonic() < ends and status(server) not in _SETTLED:
                    pass
                ask_in_background(server, rng, number)
            wait_for(lambda: status(server), "an answer")
            workers = server.folder / "started"
            wait_for(workers.exists, "a worker")
            killed = server.log.count("; killing it")
            assert killed <= workers.stat().st_size, "a line for each"
            assert_no_traceback(server)


def test_a_worker_ends_or_goes_on_whatever_its_parent_says(tmp_path: Path) -> None:
    (tmp_path / "predict.py").write_text(MODEL.source)
    for seed, rng in rounds("parent"):
        process = subprocess.Popen(
            [sys.executable, "-m", "coglet_worker"],
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        said, errors = process.communicate(parent_bytes(rng, tmp_path), timeout=DEADLINE_S)
        assert process.returncode is not None, seed
        assert process.returncode >= 0 or process.returncode == -9, f"{seed}: {process.returncode} {errors!r}"
        assert all(json.loads(line) for line in said.splitlines()), f"{seed}: {said!r}"


def parent_bytes(rng: random.Random, folder: Path) -> bytes:
    """Return what a faulty parent writes to its worker."""
    init = {
        "type": "init",
        "version": 1,
        "predictor_ref": rng.choice(["predict.py:Predictor", "nothing.py:X", "", "predict.py"]),
        "num_slots": rng.choice([1, 1, 0, -1, 10**9, "x"]),
        "transport_info": {"type": "named_sockets", "dir": str(folder), "num_slots": 1},
        "is_train": False,
    }
    later = [
        {"type": kind, "id": 0, "slot": "x", "sequence": 1}
        for kind in ("ping", "cancel", "healthcheck", "init")
    ]
    lines = [init, *rng.choices(later, k=rng.randint(0, 5)), {"type": "shutdown"}]
    return mutated(
        rng, b"".join(json.dumps(line).encode() + b"\n" for line in lines), [b"\n", b"{", b"\0", b"\xff"]
    )


@contextlib.contextmanager
def failure_report(server: Server, seed: str) -> Iterator[None]:
    """Add the seed and the end of the log to a failure within the block."""
    try:
        yield
    except (AssertionError, OSError) as error:
        raise AssertionError(f"round {seed}: {error}\n{server.log[-3000:]}") from error


def assert_serves(server: Server) -> None:
    """Assert that the same process answers, and that its slot takes a prediction once others have ended."""
    assert server.process.poll() is None, f"the server exited with {server.process.returncode}"
    assert server.address.request("GET", "/livez").status == 200
    answer = wait_for(lambda: served(server), "a prediction")
    assert answer == ["honest"] * 2


def served(server: Server) -> object:
    answer = server.predict({"text": "honest", "count": 2})
    return answer.json()["output"] if answer.status == 200 else None


def status(server: Server) -> str | None:
    """Return the status in the health check; None while the server does not listen yet."""
    assert server.process.poll() is None, f"the server exited with {server.process.returncode}"
    with contextlib.suppress(ConnectionRefusedError):
        return str(server.health()["status"])
    return None


def ask_in_background(server: Server, rng: random.Random, number: int) -> None:
    """Start a prediction that a hostile worker may never finish: not waited for, sometimes canceled."""
    server.start({"text": "x"}, id=f"f{number}")
    if rng.random() < 0.3:
        server.cancel(f"f{number}")


def assert_no_traceback(server: Server) -> None:
    lines = [line for line in server.log.splitlines() if any(text in line for text in _TRACEBACKS)]
    assert not lines, "\n".join([*lines, server.log[-5000:]])
