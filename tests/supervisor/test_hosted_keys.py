"""replicate-api.md 3: the same request with the same idempotency key."""

import time

import pytest
from tests.supervisor.hosting import create, problem
from tests.supervisor.serving import Site


async def test_an_idempotency_key(hosted: Site) -> None:
    first = await create(hosted, idempotency_key="k")
    prediction_id = first.json()["id"]
    assert (await create(hosted, idempotency_key="k")).json()["id"] == prediction_id
    hosted.served.end(prediction_id)
    again = await create(hosted, idempotency_key="k")
    assert (again.status, again.json()["id"], again.json()["status"]) == (201, prediction_id, "succeeded")
    other = await create(hosted, idempotency_key="k", n=2)
    assert (other.status, other.json()["id"] != prediction_id) == (201, True)


class LaterClock:
    """The time after a while."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def time(self) -> float:
        return time.time() + self._seconds


async def test_an_idempotency_key_is_known_for_a_day(hosted: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "coglet_supervisor.pages.hosted.predictions.time"
    first = (await create(hosted, idempotency_key="k")).json()["id"]
    hosted.served.end(first)
    monkeypatch.setattr(module, LaterClock(86_300))
    assert (await create(hosted, idempotency_key="k")).json()["id"] == first
    monkeypatch.setattr(module, LaterClock(86_500))
    second = (await create(hosted, idempotency_key="k")).json()["id"]
    assert second != first
    assert (await hosted.ask("GET", f"/v1/predictions/{first}")).json()["output"] == 1
    assert (await create(hosted, idempotency_key="k")).json()["id"] == second


async def test_an_idempotency_key_whose_first_prediction_has_expired(
    hosted: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = (await create(hosted, idempotency_key="k")).json()["id"]
    hosted.served.end(first)
    monkeypatch.setattr("coglet_supervisor.pages.hosted.predictions.time", LaterClock(86_500))
    second = (await create(hosted, idempotency_key="k")).json()["id"]
    monkeypatch.undo()
    hosted.served.end(second)
    for number in range(9):  # 10 are kept
        hosted.served.create(f"p{number}")
        hosted.served.end(f"p{number}")
    assert problem(await hosted.ask("GET", f"/v1/predictions/{first}"))[0] == 404
    assert (await create(hosted, idempotency_key="k")).json()["id"] == second
