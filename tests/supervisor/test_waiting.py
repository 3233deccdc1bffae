"""records.md 3: predictions that wait for a slot, as clients see them."""

from pathlib import Path
from typing import Any

import pytest
from testing.events import parse_events
from testing.waiting import settle, wait_until
from tests.supervisor.running import Bench
from tests.supervisor.serving import Service, Site

from coglet_protocol import slot
from coglet_supervisor.client_tasks import ClientTasks
from coglet_supervisor.predictions.service import QueueFull
from coglet_supervisor.server_log import ServerLog


@pytest.fixture
def queue_timeout_s() -> float | None:
    return None


@pytest.fixture
async def queued(tmp_path: Path, server_log: ServerLog, queue_timeout_s: float | None) -> Service:
    """A service with one slot and two places in its queue."""
    return Service(Bench(tmp_path, queue_size=2, queue_timeout_s=queue_timeout_s), server_log)


@pytest.fixture
async def site(queued: Service, clients: ClientTasks) -> Any:
    site = Site(queued, clients)
    yield site
    await site.close()


def end(site: Site, prediction_id: str) -> None:
    """The worker ends the prediction that runs."""
    site.served.bench.slot.receive(slot.Done(id=prediction_id, predict_time=0.0, output=b"1"))


async def accept(site: Site, *ids: str, **fields: Any) -> None:
    """Create asynchronous predictions."""
    for prediction_id in ids:
        answer = await site.ask(
            "POST", "/predictions", {"id": prediction_id, **fields}, prefer="respond-async"
        )
        assert (answer.status, answer.json()) == (202, {"id": prediction_id, "status": "starting"})


async def statuses(site: Site, *ids: str) -> list[str]:
    return [(await site.ask("GET", f"/predictions/{each}")).json()["status"] for each in ids]


async def test_they_run_one_after_the_other(site: Site) -> None:
    await accept(site, "a", "b", "c")
    assert await statuses(site, "a", "b", "c") == ["processing", "starting", "starting"]
    end(site, "a")
    assert await statuses(site, "a", "b", "c") == ["succeeded", "processing", "starting"]
    end(site, "b")
    end(site, "c")
    assert await statuses(site, "a", "b", "c") == ["succeeded"] * 3


async def test_a_new_one_does_not_overtake_those_that_wait(site: Site) -> None:
    await accept(site, "a", "b")
    end(site, "a")
    await accept(site, "c")
    assert await statuses(site, "b", "c") == ["processing", "starting"]


async def test_priorities(site: Site) -> None:
    await accept(site, "a", "b")
    await accept(site, "c", priority=1)
    places = [(await site.ask("GET", f"/predictions/{each}")).json().get("queue_position") for each in "abc"]
    assert places == [None, 2, 1]
    end(site, "a")
    assert await statuses(site, "b", "c") == ["starting", "processing"]


@pytest.mark.parametrize("priority", [11, -11, 1.5, "1", None])
async def test_a_priority_is_a_small_whole_number(site: Site, priority: Any) -> None:
    answer = await site.ask("POST", "/predictions", {"id": "a", "priority": priority})
    assert answer.status == 422
    assert b"priority: " in answer.body


async def test_a_full_queue_says_when_to_come_back(site: Site) -> None:
    await accept(site, "a", "b", "c")
    answer = await site.ask("POST", "/predictions", {"id": "d"})
    assert answer.status == 429
    assert answer.json() == {"error": "The queue is full: 2 predictions are waiting", "status": "failed"}
    assert answer.headers[b"retry-after"] == b"1"
    assert (await site.ask("GET", "/predictions/d")).status == 404


async def test_the_estimate_follows_the_latest_predictions(queued: Service) -> None:
    run = queued.create("a")
    queued.create("b")
    queued.create("c")
    run.prediction._started -= 7
    queued.end("a")
    queued.create("d")
    with pytest.raises(QueueFull) as refusal:
        queued.create("e")
    assert refusal.value.length == 2
    # Two times a bit more than 7 s; more only where this process was not running for a while.
    assert 15 <= refusal.value.retry_after_s < 60


async def test_a_client_that_waits_for_its_turn_gets_its_result(site: Site) -> None:
    await accept(site, "a")
    caller = site.call("POST", "/predictions", {"id": "b"})
    await settle()
    end(site, "a")
    end(site, "b")
    await settle()
    assert (caller.status, caller.json()["status"]) == (200, "succeeded")


async def test_a_client_that_leaves_gives_up_its_place(site: Site) -> None:
    await accept(site, "a")
    caller = site.call("POST", "/predictions", {"id": "b"})
    await accept(site, "c")
    caller.leave()
    await wait_until(lambda: len(site.served.bench.pool.queue) == 1)
    assert await statuses(site, "b") == ["canceled"]
    end(site, "a")
    assert await statuses(site, "c") == ["processing"]


async def test_a_cancel_ends_one_that_waits_immediately(site: Site) -> None:
    await accept(site, "a", "b")
    assert (await site.ask("POST", "/predictions/b/cancel")).status == 200
    assert await statuses(site, "a", "b") == ["processing", "canceled"]
    assert site.served.bench.owner.cancels == 0


async def test_the_death_of_a_worker_leaves_the_queue_alone(site: Site) -> None:
    await accept(site, "a", "b")
    site.served.bench.slot.poison("worker died")
    assert await statuses(site, "a", "b") == ["failed", "starting"]


async def test_at_the_end_of_the_server_those_that_wait_fail(site: Site) -> None:
    await accept(site, "a", "b", "c")
    site.served.service.stop_waiting("the server was stopped")
    assert await statuses(site, "a", "b", "c") == ["processing", "failed", "failed"]
    assert (await site.ask("GET", "/predictions/b")).json()["error"] == "the server was stopped"


async def test_an_id_that_waits_runs_once(site: Site) -> None:
    await accept(site, "a", "b")
    assert (await site.ask("POST", "/predictions", {"id": "b"})).status == 409
    attached = await site.ask("PUT", "/predictions/b", {"input": {"n": 9}})
    assert (attached.status, attached.json()["status"], attached.json()["input"]) == (202, "starting", {})


@pytest.mark.parametrize("queue_timeout_s", [0.01])
async def test_one_that_waits_too_long(site: Site) -> None:
    await accept(site, "a")
    caller = site.call("POST", "/predictions", {"id": "b"})
    await wait_until(lambda: caller.is_answered)
    error = "Prediction waited 0.01 seconds in the queue, which is the limit"
    assert (caller.status, caller.json()) == (503, {"error": error, "id": "b", "status": "failed"})
    assert b"retry-after" in caller.headers


async def test_the_events_of_one_that_waits(site: Site) -> None:
    schema = {"paths": {"/predictions": {"post": {"x-cog-streaming": True}}}}
    site.served.service.use_schema(schema, ignore_unknown=False)
    await accept(site, "a", "b")
    caller = site.call("GET", "/predictions/b", accept="text/event-stream")
    await settle()
    assert (caller.status, caller.body) == (200, b"")
    end(site, "a")
    end(site, "b")
    await settle()
    assert [event.name for event in parse_events(caller.body)] == ["start", "output", "completed"]


async def test_after_a_reload_those_that_wait_are_checked_again(site: Site) -> None:
    await accept(site, "a")
    await accept(site, "b", input={"n": "text"})
    await accept(site, "c", input={"n": 1})
    schema = {
        "components": {"schemas": {"Input": {"type": "object", "properties": {"n": {"type": "integer"}}}}}
    }
    site.served.service.use_schema(schema, ignore_unknown=False)
    assert await statuses(site, "a", "b", "c") == ["processing", "failed", "starting"]
    error = "its input does not match the reloaded model: n: "
    assert error in (await site.ask("GET", "/predictions/b")).json()["error"]
