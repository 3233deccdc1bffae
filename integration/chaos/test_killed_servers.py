"""records.md 5: the server itself is killed at random moments, and started again on the same file.

Runs and seeds as in `test_chaos`.
"""

import contextlib
import http.client
import os
import random
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from integration.chaos.test_chaos import FIRST, SECONDS, SEEDS, SETTLED_WITHIN_S
from integration.conftest import Serve
from testing.client import Address
from testing.receiver import Receiver
from testing.script import script
from testing.server import Server
from testing.waiting import wait_for

CLIENTS: Final = 4
TERMINAL: Final = {"succeeded", "failed", "canceled"}

pytestmark = [
    pytest.mark.ours("records.md 5: chaos with a store"),
    pytest.mark.slow,
    pytest.mark.timeout(SECONDS + 3 * SETTLED_WITHIN_S),
]


def work(name: str, path: str, seconds: float, fails: bool) -> str:
    """Note the run in a file, take some time, and succeed or fail."""
    import time

    with open(path, "a") as file:
        file.write(f"{name}\n")
    time.sleep(seconds)
    if fails:
        raise ValueError("as asked")
    return name


@dataclass
class Book:
    """What the clients have done, whichever server was there."""

    runs: Path
    webhook: str
    address: Address | None = None
    is_over: bool = False
    sent: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    seen_ended: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


class Client(threading.Thread):
    """Creates predictions, asks for some, and cancels some. Servers that are not there are ignored."""

    def __init__(self, book: Book, name: str) -> None:
        super().__init__(name=name)
        self._book = book
        self._rng = random.Random(name)

    def run(self) -> None:
        for number in range(1_000_000):
            if self._book.is_over:
                return
            address = self._book.address
            if address is None:
                time.sleep(0.01)
                continue
            with contextlib.suppress(OSError, http.client.HTTPException):
                self._create(address, f"{self.name}-{number}")
                self._look(address)

    def _create(self, address: Address, prediction_id: str) -> None:
        book, rng = self._book, self._rng
        seconds, fails = rng.choice([0.0, 0.02, 0.2]), rng.random() < 0.2
        input_value = script(work, name=prediction_id, path=str(book.runs), seconds=seconds, fails=fails)
        body = {
            "input": input_value,
            "priority": rng.randint(-10, 10),
            "webhook": book.webhook,
            "webhook_events_filter": ["completed"],
        }
        book.sent.add(prediction_id)
        answer = address.request("PUT", f"/predictions/{prediction_id}", body, {"Prefer": "respond-async"})
        if answer.status == 202:
            book.acknowledged.add(prediction_id)
        elif answer.status not in {429, 503}:
            book.errors.append(f"{prediction_id}: {answer.status} {answer.text[:200]}")

    def _look(self, address: Address) -> None:
        """Look at a prediction; a terminal state that was seen once must never change."""
        book, rng = self._book, self._rng
        known = sorted(book.acknowledged)
        if not known:
            return
        prediction_id = rng.choice(known)
        if rng.random() < 0.1:
            address.request("POST", f"/predictions/{prediction_id}/cancel")
        answer = address.request("GET", f"/predictions/{prediction_id}")
        if answer.status != 200:
            book.errors.append(f"{prediction_id} was acknowledged: {answer.status} {answer.text[:200]}")
            return
        status = answer.json()["status"]
        if status in TERMINAL and book.seen_ended.setdefault(prediction_id, status) != status:
            book.errors.append(f"{prediction_id} was {book.seen_ended[prediction_id]}, is {status}")


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_each_acknowledged_prediction_ends_once(serve: Serve, tmp_path: Path, seed: int) -> None:
    rng = random.Random(f"kills-{seed}")
    variables = {
        "COG_RECORDS": f"sqlite:{tmp_path / 'records.db'}",
        "COG_QUEUE_SIZE": "50",
        "COG_WORKERS": "2",
        "WEBHOOK_SIGNING_SECRET": "secret",
    }
    runs = tmp_path / "runs"
    runs.touch()
    with Receiver().listening() as receiver:
        book = Book(runs, receiver.url)
        clients = [Client(book, f"{seed}-{number}") for number in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            kills = kill_again_and_again(serve, variables, book, rng)
        finally:
            book.is_over = True
            for client in clients:
                client.join()
        with serve("script", variables=variables) as server:
            ends = wait_all_ended(server, book)
            receiver.wait_until(
                lambda received: ends.keys() <= {each.json()["id"] for each in received}, "a webhook for each"
            )
    counts = Counter(ends.values())
    print(f"seed {seed}: {kills} kills, {len(book.sent)} sent, {len(ends)} acknowledged: {dict(counts)}")
    assert not book.errors
    assert_consistent(book, ends, [(each.json(), each.headers["webhook-id"]) for each in receiver.received])


def kill_again_and_again(serve: Serve, variables: dict[str, str], book: Book, rng: random.Random) -> int:
    """Start servers and kill them until the time is over. Return how many."""
    over = time.monotonic() + SECONDS
    kills = 0
    while time.monotonic() < over:
        with serve("script", variables=variables) as server:
            book.address = server.address
            threading.Event().wait(rng.uniform(0.05, 1.5))
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait()
            book.address = None
        kills += 1
    return kills


def wait_all_ended(server: Server, book: Book) -> dict[str, str]:
    """Return the terminal status of each acknowledged prediction."""
    ends: dict[str, str] = {}

    def have_ended() -> bool:
        for prediction_id in book.acknowledged - ends.keys():
            answer = server.request("GET", f"/predictions/{prediction_id}")
            assert answer.status == 200, f"{prediction_id}: {answer}"
            if answer.json()["status"] in TERMINAL:
                ends[prediction_id] = answer.json()["status"]
        return ends.keys() == book.acknowledged

    wait_for(have_ended, "the end of each acknowledged prediction", deadline_s=SETTLED_WITHIN_S)
    return ends


def assert_consistent(book: Book, ends: dict[str, str], webhooks: list[tuple[Any, str]]) -> None:
    """Assert that the records, the webhooks and the runs of the model agree."""
    sent_states: dict[str, set[tuple[str, str]]] = {}
    for body, message_id in webhooks:
        sent_states.setdefault(body["id"], set()).add((body["status"], message_id))
    assert all(len(each) == 1 for each in sent_states.values()), "one terminal state, one webhook-id"
    assert {name: next(iter(sent_states[name]))[0] for name in ends} == ends
    assert sent_states.keys() <= book.sent
    assert {name: status for name, status in book.seen_ended.items() if ends[name] != status} == {}
    ran = Counter(book.runs.read_text().split())
    assert max(ran.values(), default=0) <= 1, "nothing runs twice"
    assert all(ran[name] == 1 for name, status in ends.items() if status == "succeeded")
