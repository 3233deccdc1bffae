"""records.md 2: GET, DELETE and cancel of predictions in flight and of those that have ended."""

import re
from pathlib import Path

import pytest
from testing.events import parse_events
from testing.waiting import settle, wait_until
from tests.supervisor.kept import SlowStore
from tests.supervisor.recorded import SCHEMA, STREAMING, begin, run
from tests.supervisor.running import Bench
from tests.supervisor.serving import Service, Site

from coglet_protocol import slot
from coglet_supervisor.client_tasks import ClientTasks
from coglet_supervisor.predictions.record import NotRecorded, Record
from coglet_supervisor.records import lookup
from coglet_supervisor.server_log import ServerLog

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@pytest.fixture(autouse=True)
def schema(served: Service) -> None:
    served.service.use_schema(SCHEMA, ignore_unknown=False)


async def test_one_that_runs(site: Site) -> None:
    await begin(site)
    answer = await site.ask("GET", "/predictions/p")
    body = answer.json()
    assert (answer.status, TIME.fullmatch(body.pop("created_at")) is not None) == (200, True)
    assert TIME.fullmatch(body.pop("started_at"))
    assert body == {
        "attempts": 1,
        "id": "p",
        "input": {"n": 1, "key": "**********"},
        "logs": "",
        "metrics": {},
        "status": "processing",
        "urls": {
            "cancel": "http://server/predictions/p/cancel",
            "get": "http://server/predictions/p",
        },
    }


async def test_one_that_has_ended(site: Site) -> None:
    await run(site)
    body = (await site.ask("GET", "/predictions/p")).json()
    assert TIME.fullmatch(body["completed_at"])
    assert body["created_at"] <= body["started_at"] <= body["completed_at"]
    assert (body["status"], body["output"], body["logs"]) == ("succeeded", 1, "said\n")
    assert body["metrics"]["predict_time"] >= 0
    assert body["input"] == {"n": 1, "key": "**********"}


@pytest.mark.parametrize("prediction_id", ["a/b", "ü", "a b", "x" * 255])
async def test_any_id(site: Site, prediction_id: str) -> None:
    from urllib.parse import quote

    await run(site, prediction_id)
    url = f"/predictions/{quote(prediction_id, safe='')}"
    body = (await site.ask("GET", url)).json()
    assert (body["id"], body["urls"]["get"]) == (prediction_id, f"http://server{url}")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_unknown_id(site: Site, method: str) -> None:
    answer = await site.ask(method, "/predictions/x")
    assert (answer.status, answer.json()) == (404, {"detail": "prediction 'x' is not known"})


async def test_an_expired_id(site: Site) -> None:
    for number in range(11):
        await run(site, f"p{number}")
    answer = await site.ask("GET", "/predictions/p0")
    assert (answer.status, answer.json()) == (410, {"detail": "prediction 'p0' has expired"})


async def test_trainings_are_apart(site: Site) -> None:
    await begin(site, "t", "/trainings")
    assert (await site.ask("GET", "/predictions/t")).status == 404
    assert (await site.ask("GET", "/predictions")).json()["results"] == []
    assert (await site.ask("DELETE", "/predictions/t")).status == 404
    body = (await site.ask("GET", "/trainings/t")).json()
    assert (body["status"], body["urls"]["get"]) == ("processing", "http://server/trainings/t")
    assert [each["id"] for each in (await site.ask("GET", "/trainings")).json()["results"]] == ["t"]


async def test_a_long_poll_is_answered_at_the_end(site: Site) -> None:
    await begin(site)
    caller = site.call("GET", "/predictions/p", prefer="wait=60")
    await settle()
    assert not caller.is_answered
    site.served.end()
    await settle()
    assert (caller.status, caller.json()["status"]) == (200, "succeeded")


async def test_a_long_poll_gets_what_there_is_after_its_time(site: Site) -> None:
    await begin(site)
    caller = site.call("GET", "/predictions/p", prefer="wait=0")
    await wait_until(lambda: caller.is_answered)
    assert (caller.status, caller.json()["status"]) == (200, "processing")


async def test_a_poller_that_leaves_cancels_nothing(site: Site) -> None:
    await begin(site)
    caller = site.call("GET", "/predictions/p", prefer="wait=60")
    await settle()
    caller.leave()
    polled = site.served.service.find("p")
    assert polled is not None
    await wait_until(lambda: not polled.prediction._waiters)
    assert site.served.bench.owner.cancels == 0


async def test_an_end_is_shown_once_it_is_written(tmp_path: Path, server_log: ServerLog) -> None:
    store = SlowStore()
    async with ClientTasks() as clients:
        site = Site(Service(Bench(tmp_path, records=store), server_log), clients)
        creating = site.call("POST", "/predictions", {"id": "p"}, prefer="respond-async")
        await settle()
        assert not creating.is_answered
        store.write()
        await settle()
        assert creating.status == 202
        site.served.end()
        caller = site.call("GET", "/predictions/p")
        await settle()
        assert not caller.is_answered
        store.write()
        await settle()
        assert caller.json()["status"] == "succeeded"
        await site.close()


async def test_a_prediction_that_cannot_be_recorded_is_refused(tmp_path: Path, server_log: ServerLog) -> None:
    store = SlowStore()
    async with ClientTasks() as clients:
        site = Site(Service(Bench(tmp_path, records=store), server_log), clients)
        for prefer in ("respond-async", "wait=60"):
            caller = site.call("POST", "/predictions", {"id": "p"}, prefer=prefer)
            await settle()
            store.write(NotRecorded("disk full"))
            await settle()
            assert (caller.status, caller.json()) == (
                507,
                {"error": "The prediction was not accepted: disk full", "status": "failed"},
            )
        await site.close()


async def test_a_cancel_is_repeatable(site: Site) -> None:
    await begin(site)
    for _ in range(2):
        assert (await site.ask("POST", "/predictions/p/cancel")).status == 200
    site.served.bench.slot.receive(slot.Cancelled(id="p"))
    again = await site.ask("POST", "/predictions/p/cancel")
    assert (again.status, again.json()) == (200, {})
    assert (await site.ask("POST", "/predictions/x/cancel")).status == 404


async def test_an_attached_client_waits_for_the_record(tmp_path: Path, server_log: ServerLog) -> None:
    store = SlowStore()
    async with ClientTasks() as clients:
        site = Site(Service(Bench(tmp_path, records=store), server_log), clients)
        callers = []
        for _ in range(2):
            callers.append(site.call("PUT", "/predictions/p", {}, prefer="respond-async"))
            await settle()
        assert not any(caller.is_answered for caller in callers)
        store.write(NotRecorded("disk full"))
        await settle()
        assert [caller.status for caller in callers] == [507, 507]
        await site.close()


async def test_a_record_can_be_deleted_once_it_is_terminal(site: Site) -> None:
    await begin(site)
    answer = await site.ask("DELETE", "/predictions/p")
    assert (answer.status, answer.json()) == (
        409,
        {"detail": "prediction 'p' is still running; cancel it first"},
    )
    site.served.end()
    assert (await site.ask("DELETE", "/predictions/p")).status == 204
    assert (await site.ask("GET", "/predictions/p")).status == 404


async def test_the_list(site: Site) -> None:
    await run(site, "a")
    await begin(site, "b")
    body = (await site.ask("GET", "/predictions")).json()
    assert [(each["id"], each["status"]) for each in body["results"]] == [
        ("b", "processing"),
        ("a", "succeeded"),
    ]
    assert not {"input", "logs", "output"} & body["results"][1].keys()
    assert (body["next"], body["previous"]) == (None, None)


async def test_the_list_in_pages(site: Site) -> None:
    for number in range(5):
        await run(site, f"p{number}")
    first = (await site.ask("GET", "/predictions?limit=2&status=succeeded")).json()
    assert first["next"] == "http://server/predictions?limit=2&status=succeeded&cursor=b4"
    second = (await site.ask("GET", first["next"].removeprefix("http://server"))).json()
    assert [each["id"] for each in second["results"]] == ["p2", "p1"]
    assert second["previous"] == "http://server/predictions?limit=2&status=succeeded&cursor=a3"
    back = (await site.ask("GET", second["previous"].removeprefix("http://server"))).json()
    assert back == first


async def test_some_fields_of_one(site: Site) -> None:
    await run(site)
    body = (await site.ask("GET", "/predictions/p?fields=output")).json()
    assert (body["output"], {"input", "logs"} & body.keys()) == (1, set())
    assert (await site.ask("GET", "/predictions/p?fields=secrets")).status == 422
    assert (await site.ask("GET", "/predictions/p?wait=5")).status == 422


async def test_the_list_with_data(site: Site) -> None:
    await run(site)
    (each,) = (await site.ask("GET", "/predictions?fields=input,output")).json()["results"]
    assert (each["input"], each["output"]) == ({"n": 1, "key": "**********"}, 1)
    assert "logs" not in each


async def test_a_list_has_only_so_much_data(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        await run(site, f"p{number}")
    record = await site.served.bench.records.get("p0")
    assert isinstance(record, Record)
    monkeypatch.setattr(lookup, "LISTED_BYTES", 2 * record.kept_bytes)
    results = (await site.ask("GET", "/predictions?fields=output")).json()["results"]
    assert [each.get("output") for each in results] == [1, 1, None]


async def test_a_large_output_is_not_copied(site: Site) -> None:
    await begin(site)
    output = b'"%b"' % (b"x" * 100_000)
    site.served.bench.slot.receive(slot.Done(id="p", predict_time=0.0, output=output))
    answer = await site.ask("GET", "/predictions/p")
    assert (answer.json()["output"], answer.json()["status"]) == ("x" * 100_000, "succeeded")
    assert answer.headers[b"content-length"] == b"%d" % len(answer.body)


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("status=done", "status: is 'done', but must be one of starting, processing, succeeded, failed, "),
        ("limit=0", "limit: is '0', but must be a whole number from 1 to 100"),
        ("limit=101", "limit: is '101', but must be"),
        ("limit=x", "limit: is 'x', but must be"),
        ("cursor=x1", "cursor: is 'x1', but must be taken from `next` or `previous` of another page"),
        ("fields=input,secrets", "fields: is 'input,secrets', but must be a list of input, logs, output"),
        ("page=2", "page: is not a parameter of this route"),
    ],
)
async def test_what_the_list_does_not_understand(site: Site, query: str, detail: str) -> None:
    answer = await site.ask("GET", f"/predictions?{query}")
    assert answer.status == 422
    assert answer.json()["detail"].startswith(detail)


async def test_the_events_of_one_that_has_ended(site: Site) -> None:
    site.served.service.use_schema(STREAMING, ignore_unknown=False)
    await run(site)
    body = (await site.ask("GET", "/predictions/p")).json()
    assert body["urls"]["stream"] == "http://server/predictions/p"
    events = parse_events((await site.ask("GET", "/predictions/p", accept="text/event-stream")).body)
    assert [event.name for event in events] == ["start", "log", "output", "completed"]
    rest = await site.ask("GET", "/predictions/p", accept="text/event-stream", last_event_id="1")
    assert [event.name for event in parse_events(rest.body)] == ["output", "completed"]


async def test_a_reader_that_has_seen_all_events_need_not_ask_again(site: Site) -> None:
    site.served.service.use_schema(STREAMING, ignore_unknown=False)
    await run(site)
    answer = await site.ask("GET", "/predictions/p", accept="text/event-stream", last_event_id="3")
    assert (answer.status, answer.body) == (204, b"")
    assert b"content-length" not in answer.headers


async def test_the_events_of_a_model_that_does_not_stream(site: Site) -> None:
    await run(site)
    answer = await site.ask("GET", "/predictions/p", accept="text/event-stream")
    assert (answer.status, answer.json()) == (406, {"detail": "The events of this prediction are not kept."})


async def test_a_put_of_an_ended_id_runs_again(site: Site) -> None:
    await run(site)
    assert (await site.ask("PUT", "/predictions/p", {}, prefer="respond-async")).status == 202
    assert (await site.ask("GET", "/predictions/p")).json()["status"] == "processing"
