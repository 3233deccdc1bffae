"""`COG_IDEMPOTENT_PUT=records`: a PUT with the id of a prediction that has ended."""

from typing import Any

import pytest
from testing.events import parse_events
from tests.supervisor.recorded import SCHEMA, STREAMING, begin, run
from tests.supervisor.serving import Service, Site

from coglet_supervisor.client_tasks import ClientTasks


@pytest.fixture(autouse=True)
def schema(served: Service) -> None:
    served.service.use_schema(SCHEMA, ignore_unknown=False)


@pytest.fixture
async def site(served: Service, clients: ClientTasks) -> Any:
    site = Site(served, clients, repeats_from_records=True)
    yield site
    await site.close()


async def test_the_same_input_gets_the_recorded_result(site: Site) -> None:
    await run(site)
    again = {"input": {"key": "hidden", "n": 1}}
    for prefer in ("respond-async", "wait=1"):
        answer = await site.ask("PUT", "/predictions/p", again, prefer=prefer)
        assert (answer.status, answer.json()["output"], answer.json()["logs"]) == (200, 1, "said\n")
    assert len(site.served.bench.wire.all_sent) == 1


async def test_an_input_that_was_removed_is_recognized(site: Site, served: Service) -> None:
    created = served.create("p", b'{"n":1}')
    served.end()
    created.recorded.drop_input()
    for n, status in ((1, 200), (2, 409)):
        assert (await site.ask("PUT", "/predictions/p", {"input": {"n": n}})).status == status


async def test_another_input_is_refused(site: Site) -> None:
    await run(site)
    answer = await site.ask("PUT", "/predictions/p", {"input": {"n": 2}})
    assert answer.status == 409
    assert answer.json()["error"] == "prediction 'p' has ended, with another input"


async def test_an_input_that_is_invalid_is_named(site: Site) -> None:
    await run(site)
    assert (await site.ask("PUT", "/predictions/p", {"input": {"n": "x"}})).status == 422


async def test_one_in_flight_is_attached_to(site: Site) -> None:
    await begin(site)
    answer = await site.ask("PUT", "/predictions/p", {"input": {"n": 2}})
    assert (answer.status, answer.json()["status"]) == (202, "processing")


async def test_the_events_are_repeated(site: Site) -> None:
    site.served.service.use_schema(STREAMING, ignore_unknown=False)
    await run(site)
    again = {"input": {"n": 1, "key": "hidden"}}
    answer = await site.ask("PUT", "/predictions/p", again, accept="text/event-stream")
    assert [event.name for event in parse_events(answer.body)] == ["start", "log", "output", "completed"]
    assert len(site.served.bench.wire.all_sent) == 1


async def test_one_that_ends_while_the_store_is_asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    await begin(site)
    store = site.served.bench.records
    first_state = await store.get("p")
    get = store.get

    async def late(prediction_id: str) -> Any:
        monkeypatch.setattr(store, "get", get)
        site.served.end()
        return first_state

    monkeypatch.setattr(store, "get", late)
    answer = await site.ask("PUT", "/predictions/p", {"input": {"n": 1, "key": "hidden"}})
    assert (answer.status, answer.json()["status"]) == (200, "succeeded")


async def test_a_new_id_runs(site: Site) -> None:
    assert (await site.ask("PUT", "/predictions/q", {}, prefer="respond-async")).status == 202
