"""hardening.md R1, R2, R9, R18, R19, R21-R23, S3: under any faults, each accepted prediction ends once.

`PYCOGLET_CHAOS=SEEDSxSECONDS` says how many runs of which length, `PYCOGLET_CHAOS_FIRST` the first seed.
A seed repeats the requests and faults of a run; timing still varies with the clock and the scheduler.
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final

import pytest
from integration.chaos.faults import Injector
from integration.chaos.ledger import Ledger, Trouble
from integration.chaos.load import Client, Probe
from integration.chaos.supervisor_use import Use
from integration.conftest import Serve
from testing.model import Model, inputs
from testing.receiver import Receiver
from testing.server import Server
from testing.small_disk import small_disk
from testing.waiting import wait_for

SEEDS, SECONDS = (int(part) for part in os.environ.get("PYCOGLET_CHAOS", "2x5").split("x"))
FIRST: Final = int(os.environ.get("PYCOGLET_CHAOS_FIRST", "1"))
SLOTS: Final = 4
CLIENTS: Final = 8
SETTLED_WITHIN_S: Final = 60.0
_SOURCE: Final = Path(__file__).with_name("trouble.py").read_text()
_INPUTS: Final = inputs(
    {"act": {"type": "string"}, "seconds": {"type": "number"}, "size": {"type": "integer"}},
    *("act", "seconds", "size"),
)
# Alternately: four processes of a sync model, and two of an async one with two slots each.
_SHAPES: Final = (
    ("predict.py:Runner", {"COG_WORKERS": "4"}),
    ("predict.py:AsyncRunner", {"COG_WORKERS": "2", "COG_MAX_CONCURRENCY": "2"}),
)
_VARIABLES: Final = {
    "COG_CANCEL_GRACE": "1",
    "COG_HANG_TIMEOUT": "2",
    "COG_WORKER_MAX_PREDICTIONS": "200",
    "COG_RECORDS_MAX_BYTES": "1000000",  # what is kept must not hide what is leaked
}

pytestmark = [
    pytest.mark.ours("hardening.md: chaos"),
    pytest.mark.slow,
    pytest.mark.timeout(SECONDS + 3 * SETTLED_WITHIN_S),
]


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_every_accepted_prediction_ends_once_and_nothing_is_lost(serve: Serve, seed: int) -> None:
    with small_disk() as disk:
        attack(serve, disk, seed)
        # A file that the model was writing when it was killed is the model's.
        assert disk is None or not list(disk.glob("pycoglet*"))


def attack(serve: Serve, disk: Path | None, seed: int) -> None:
    """One run."""
    ref, shape = _SHAPES[seed % 2]
    variables = {**_VARIABLES, **shape, **({"TMPDIR": str(disk)} if disk else {})}
    ledger, trouble = Ledger(), Trouble()
    with Receiver().listening() as receiver:
        receiver.answer = ledger.receiving(trouble)
        with serve(Model(_SOURCE, _INPUTS, ref), variables=variables) as server:
            assert_all_slots_serve(server, "before")
            before = Use.of(server)
            with load(server, ledger, receiver.url, seed), faults(server, trouble, disk, seed):
                threading.Event().wait(SECONDS)
            with contextlib.suppress(AssertionError):  # the ledger will name those without an end
                wait_for(lambda: not ledger.missing, "end of each prediction", deadline_s=SETTLED_WITHIN_S)
            assert not ledger.faults(), report_of(server, ledger)
            assert_all_slots_serve(server, "after")
            print(f"seed {seed}: {ledger.summary()}; {before} before, {Use.of(server)} after")
            wait_for(lambda: Use.of(server).is_near(before), f"use as {before}", deadline_s=SETTLED_WITHIN_S)
        assert not ledger.faults(), ledger.faults()


def report_of(server: Server, ledger: Ledger) -> str:
    """Return the violations, and the log lines of predictions without an end."""
    lines = [line for line in server.log.splitlines() if any(f"{name}:" in line for name in ledger.missing)]
    return "\n".join([*ledger.faults(), *lines])


@contextlib.contextmanager
def load(server: Server, ledger: Ledger, webhook: str, seed: int) -> Iterator[None]:
    """Runs clients within the block; after it each has its last response."""
    stop = threading.Event()
    probe = Probe(server, stop)
    threads: list[Probe | Client] = [
        probe,
        *(Client(server, ledger, webhook, f"{seed}-{n}", stop) for n in range(CLIENTS)),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    errors = [f"{thread.name}: {thread.error!r}" for thread in threads if thread.error is not None]
    assert not errors, errors
    assert probe.answers


@contextlib.contextmanager
def faults(server: Server, trouble: Trouble, disk: Path | None, seed: int) -> Iterator[None]:
    """Injects faults within the block; after it the disk is empty, the receiver works, all processes run."""
    stop = threading.Event()
    injector = Injector(server, trouble, disk, seed, stop)
    injector.start()
    try:
        yield
    finally:
        stop.set()
        injector.join()
    assert injector.error is None, injector.error
    print(f"seed {seed}: injected {dict(injector.injected)}")


def assert_all_slots_serve(server: Server, when: str) -> None:
    """Assert that all slots take a prediction at once, and that there is no additional slot.

    For a while that need not hold: a worker that is being replaced ends what it runs beside its successor.
    """
    rounds = count()
    wait_for(
        lambda: hold_at_once(server, f"{when}-{next(rounds)}") == SLOTS,
        f"{SLOTS} slots, no more and no less,",
        deadline_s=SETTLED_WITHIN_S,
    )


def hold_at_once(server: Server, name: str) -> int:
    """Return how many predictions run at the same time before one is refused."""
    gate = server.folder / "go-on"
    held = []
    for number in range(2 * SLOTS):
        each = f"{name}-{number}"
        if server.start({"act": "hold", "seconds": 0, "size": 0}, id=each).status != 202:
            break
        held.append(each)
    running = [each for each in held if is_held(server, each)]
    gate.touch()
    wait_for(lambda: not any(map(server.peek, held)), "end of what was held")
    gate.unlink()
    return len(running)


def is_held(server: Server, prediction_id: str) -> bool:
    """Wait until a prediction runs; return False when it fails instead, as when its worker dies."""

    def state() -> str | None:
        known = server.peek(prediction_id)
        return "ended" if known is None else "held" if known["logs"] else None

    return wait_for(state, f"start of {prediction_id}") == "held"
