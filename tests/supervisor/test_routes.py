"""Predictions over HTTP: who gets which answer, and when. The service behind the routes is the real one."""

import asyncio
from typing import Any

import pytest
from testing.events import parse_events
from testing.receiver import Receiver
from testing.waiting import settle, wait_until
from tests.supervisor.serving import MAX_BODY_BYTES, Site

from coglet_protocol import slot
from coglet_supervisor.http.events import accepts_events
from coglet_supervisor.http.preference import Preference
from coglet_supervisor.predictions.stream import MAX_SUBSCRIBERS

INPUT = {"type": "object", "properties": {"n": {"type": "integer"}, "key": {"type": "string"}}}
INPUT["properties"]["key"] |= {"format": "password", "x-cog-secret": True}  # type: ignore[index]
SCHEMA = {"components": {"schemas": {"Input": INPUT, "TrainingInput": INPUT}}}
STREAMING = {**SCHEMA, "paths": {"/predictions": {"post": {"x-cog-streaming": True}}}}
EVENTS = {"accept": "text/event-stream"}


def use(site: Site, schema: dict[str, Any]) -> None:
    site.served.service.use_schema(schema, ignore_unknown=False)


def say(site: Site, message: slot.FromWorker) -> None:
    """What the worker sends."""
    site.served.bench.slot.receive(message)


async def test_a_prediction_is_answered_at_its_end(site: Site) -> None:
    caller = site.call("POST", "/predictions", {"id": "p", "input": {"n": 1}})
    await settle()
    assert not caller.is_answered
    assert site.served.bench.wire.sent.input == b'{"n":1}'
    site.served.end()
    await settle()
    assert caller.status == 200
    answer = caller.json()
    assert (answer["id"], answer["status"], answer["output"]) == ("p", "succeeded", 1)


async def test_a_failed_prediction_is_a_good_answer(site: Site) -> None:
    caller = site.call("POST", "/predictions", {"id": "p"})
    await settle()
    say(site, slot.Failed(id="p", error="boom"))
    await settle()
    assert (caller.status, caller.json()["status"], caller.json()["error"]) == (200, "failed", "boom")


@pytest.mark.parametrize(
    "prefer", ["respond-async", "Respond-Async, wait=5", "handling=lenient, respond-async"]
)
async def test_who_prefers_so_is_answered_at_once(site: Site, prefer: str) -> None:
    answer = await site.ask("POST", "/predictions", {"id": "p"}, prefer=prefer)
    assert (answer.status, answer.json()) == (202, {"id": "p", "status": "starting"})
    assert site.served.service.find("p") is not None


async def test_who_waits_no_longer_gets_the_state_until_then(site: Site) -> None:
    caller = site.call("POST", "/predictions", {"id": "p"}, prefer="wait=0")
    await wait_until(lambda: caller.is_answered)
    assert (caller.status, caller.json()["status"]) == (202, "processing")
    assert site.served.bench.owner.cancels == 0


@pytest.mark.parametrize(
    ("value", "preference"),
    [
        (None, Preference()),
        ("", Preference()),
        ("wait=5", Preference(wait_s=5.0)),
        ('WAIT = "7"', Preference(wait_s=7.0)),
        ("wait=9, wait=3", Preference(wait_s=3.0)),
        ("wait=-1", Preference()),
        ("wait=1.5", Preference()),
        ("wait=9999999999", Preference()),
        ("respond-async;x=y, wait=2", Preference(is_async=True, wait_s=2.0)),
        ("respond-asynchronously", Preference()),
    ],
)
def test_preferences(value: str | None, preference: Preference) -> None:
    assert Preference.parse(value) == preference


async def test_a_client_that_leaves_cancels_its_prediction(site: Site) -> None:
    caller = site.call("POST", "/predictions", {"id": "p"})
    await settle()
    caller.leave()
    await wait_until(lambda: site.served.bench.owner.heard == ["cancel p 1"])


async def test_a_client_that_leaves_keeps_an_async_prediction(site: Site) -> None:
    caller = await site.ask("POST", "/predictions", {"id": "p"}, prefer="respond-async")
    caller.leave()
    await settle()
    assert site.served.bench.owner.cancels == 0


# refusals


@pytest.mark.parametrize(
    ("state", "is_shutting_down", "status", "error"),
    [
        ("STARTING", False, 503, "Setup has not finished yet"),
        ("READY", True, 503, "The server is shutting down"),
        ("READY", False, 409, "At capacity"),
    ],
)
async def test_what_cannot_run_now_is_refused(
    site: Site, state: Any, is_shutting_down: bool, status: int, error: str
) -> None:
    await site.ask("POST", "/predictions", {"id": "other"}, prefer="respond-async")
    site.served.state, site.served.is_shutting_down = state, is_shutting_down
    answer = await site.ask("POST", "/predictions", {"id": "p"})
    assert (answer.status, answer.json()["status"]) == (status, "failed")
    assert answer.json()["error"].startswith(error)
    assert (b"retry-after" in answer.headers) == is_shutting_down


async def test_an_id_in_flight_is_not_given_again(site: Site) -> None:
    await site.ask("POST", "/predictions", {"id": "p"}, prefer="respond-async")
    answer = await site.ask("POST", "/predictions", {"id": "p"})
    assert (answer.status, answer.json()["error"]) == (409, "Prediction 'p' is already running")


async def test_an_input_that_does_not_fit_is_422(site: Site) -> None:
    use(site, SCHEMA)
    answer = await site.ask("POST", "/predictions", {"id": "p", "input": {"n": "x"}})
    assert answer.status == 422
    assert [problem["loc"] for problem in answer.json()["detail"]] == [["body", "input", "n"]]
    assert site.served.bench.wire.written == b""


@pytest.mark.parametrize(
    ("body", "text"),
    [({"id": ""}, "id: has 0 characters"), ({"webhook": "nonsense"}, "webhook: ")],
)
async def test_a_field_that_cannot_be_used_is_422(site: Site, body: dict[str, Any], text: str) -> None:
    answer = await site.ask("POST", "/predictions", body)
    assert answer.status == 422
    assert text in answer.body.decode()
    assert site.served.bench.pool.free == 1


async def test_a_body_above_the_limit_is_413(site: Site) -> None:
    answer = await site.ask("POST", "/predictions", {"input": "x" * MAX_BODY_BYTES})
    assert answer.status == 413


# PUT


async def test_put_creates_a_prediction_of_that_id(site: Site) -> None:
    answer = await site.ask("PUT", "/predictions/a%2Fb", {}, prefer="respond-async")
    assert (answer.status, answer.json()["id"]) == (202, "a/b")


async def test_two_different_ids_are_422(site: Site) -> None:
    answer = await site.ask("PUT", "/predictions/p", {"id": "q"})
    assert answer.status == 422
    (problem,) = answer.json()["detail"]
    assert problem["msg"] == "prediction ID must match the ID supplied in the URL"
    assert site.served.bench.pool.free == 1


async def test_put_attaches_to_what_runs_and_shows_no_secret(site: Site) -> None:
    use(site, SCHEMA)
    given = {"n": 1, "key": "sesame"}
    await site.ask("PUT", "/predictions/p", {"input": given}, prefer="respond-async")
    answer = await site.ask("PUT", "/predictions/p", {"input": {"n": 2}})
    assert answer.status == 202
    assert (answer.json()["status"], answer.json()["input"]["n"]) == ("processing", 1)
    assert b"sesame" not in answer.body


# cancel


async def test_a_cancel(site: Site) -> None:
    await site.ask("POST", "/predictions", {"id": "p"}, prefer="respond-async")
    for _ in range(2):
        answer = await site.ask("POST", "/predictions/p/cancel")
        assert (answer.status, answer.body) == (200, b"{}")
    assert site.served.bench.owner.heard == ["cancel p 1"]


# events


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("text/event-stream", True),
        ("application/json, text/event-stream;q=0.1", True),
        ("*/*", False),
        ("text/*", False),
        ("text/event-stream-x", False),
        (None, False),
    ],
)
def test_who_wants_events(accept: str | None, wanted: bool) -> None:
    assert accepts_events(accept) == wanted


async def test_events_of_a_prediction(site: Site) -> None:
    use(site, STREAMING)
    caller = site.call("POST", "/predictions", {"id": "p"}, **EVENTS)
    await settle()
    assert (caller.status, caller.headers[b"content-type"]) == (200, b"text/event-stream")
    say(site, slot.Output(output=b'"a"'))
    await settle()
    assert [event.name for event in parse_events(caller.body)] == ["start", "output"]
    site.served.end()
    await settle()
    assert caller.is_answered
    assert parse_events(caller.body)[-1].name == "completed"


async def test_the_last_reader_that_leaves_cancels_the_prediction_it_started(site: Site) -> None:
    use(site, STREAMING)
    first = site.call("POST", "/predictions", {"id": "p"}, **EVENTS)
    await settle()
    second = site.call("PUT", "/predictions/p", {}, **EVENTS)
    await settle()
    first.leave()
    await settle()
    assert site.served.bench.owner.cancels == 0
    second.leave()
    await settle()
    assert site.served.bench.owner.cancels == 1


async def test_a_reader_that_leaves_keeps_a_prediction_that_another_started(site: Site) -> None:
    use(site, STREAMING)
    await site.ask("POST", "/predictions", {"id": "p"}, prefer="respond-async")
    reader = site.call("PUT", "/predictions/p", {}, **EVENTS)
    await settle()
    reader.leave()
    await settle()
    assert site.served.bench.owner.cancels == 0


async def test_a_reader_goes_on_after_the_last_event_that_it_has(site: Site) -> None:
    use(site, STREAMING)
    await site.ask("POST", "/predictions", {"id": "p"}, prefer="respond-async")
    for text in (b'"a"', b'"b"'):
        say(site, slot.Output(output=text))
    first = site.call("PUT", "/predictions/p", {}, **EVENTS)
    await settle()
    seen = parse_events(first.body)
    again = site.call("PUT", "/predictions/p", {}, **EVENTS, last_event_id=str(seen[-2].number))
    await settle()
    assert parse_events(again.body) == seen[-1:]


async def test_too_many_readers_are_429(site: Site) -> None:
    use(site, STREAMING)
    await site.ask("POST", "/predictions", {"id": "p"}, prefer="respond-async")
    for _ in range(MAX_SUBSCRIBERS):
        site.call("PUT", "/predictions/p", {}, **EVENTS)
    answer = await site.ask("PUT", "/predictions/p", {}, **EVENTS)
    assert (answer.status, answer.json()) == (429, {"error": "Too many stream subscribers"})


async def test_models_and_trainings_without_events_are_406(site: Site) -> None:
    use(site, SCHEMA)
    assert (await site.ask("POST", "/predictions", {}, **EVENTS)).status == 406
    await site.ask("PUT", "/predictions/p", {}, prefer="respond-async")
    assert (await site.ask("PUT", "/predictions/p", {}, **EVENTS)).status == 406
    use(site, STREAMING)
    assert (await site.ask("POST", "/trainings", {}, **EVENTS)).status == 406


# webhooks


async def test_a_webhook_gets_the_trace_of_the_request(site: Site) -> None:
    with Receiver().listening() as receiver:
        body = {"id": "p", "webhook": receiver.url, "webhook_events_filter": ["completed"]}
        await site.ask("POST", "/predictions", body, prefer="respond-async", traceparent="00-1-2-01")
        site.served.end()
        (received,) = await asyncio.to_thread(receiver.wait_count, 1)
    assert (received.json()["status"], received.headers["traceparent"]) == ("succeeded", "00-1-2-01")


async def test_a_webhook_without_events_is_never_sent(site: Site) -> None:
    with Receiver().listening() as receiver:
        body = {"id": "p", "webhook": receiver.url, "webhook_events_filter": []}
        await site.ask("POST", "/predictions", body, prefer="respond-async")
        site.served.end()
        await site.webhooks.wait_delivered()
    assert receiver.received == []
