"""runtime.md 10: the requests to a receiver, and the effects of its responses."""

import asyncio
import itertools
import threading
from collections.abc import Iterator

import pytest
from testing.receiver import HANG_UP, Received, Receiver, Reply, in_turn, redirect
from testing.waiting import wait_for
from tests.supervisor.delivering import ALL, arrived, arrived_at, delivering, started, statuses
from tests.supervisor.kept import KeptPrediction
from tests.supervisor.running import end, new_prediction

from coglet_protocol.url_guard import UrlGuard
from coglet_supervisor.predictions.hook import Hook
from coglet_supervisor.webhooks.queue import WebhookEvent
from coglet_supervisor.webhooks.token import WebhookToken


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().listening() as receiver:
        yield receiver


async def test_each_event_as_it_happens(receiver: Receiver) -> None:
    async with delivering() as webhooks:
        prediction = started(webhooks, f"{receiver.url}/hook")
        await arrived(receiver, 1)
        prediction.produce(b'"hello"')
        await arrived(receiver, 2)
        end(prediction, "succeeded")
    start, output, last = receiver.bodies("/hook")
    assert start == {"id": "p", "logs": "", "metrics": {}, "status": "processing"}
    assert output == {"id": "p", "logs": "", "metrics": {}, "output": ["hello"], "status": "processing"}
    assert last.pop("metrics")["predict_time"] >= 0
    assert last == {"id": "p", "logs": "", "output": "hello", "status": "succeeded"}


async def test_start_and_output_are_sent_even_if_the_end_follows_immediately(receiver: Receiver) -> None:
    async with delivering() as webhooks:
        prediction = started(webhooks, receiver.url)
        prediction.produce(b'"hello"')
        end(prediction, "succeeded")
    assert [(body["status"], body.get("output")) for body in receiver.bodies()] == [
        ("processing", None),
        ("processing", ["hello"]),
        ("succeeded", "hello"),
    ]


async def test_events_during_a_send_are_merged_into_one(receiver: Receiver) -> None:
    proceed = threading.Event()

    def answer_first_late(received: Received) -> Reply:
        if b"output" not in received.body:
            proceed.wait(10)
        return Reply()

    receiver.answer = answer_first_late
    async with delivering() as webhooks:
        prediction = started(webhooks, receiver.url)
        await arrived(receiver, 1)
        for item in range(100):
            prediction.log("stdout", f"{item}\n")
            prediction.produce(b"%d" % item)
        proceed.set()
        await arrived(receiver, 2)
        end(prediction, "succeeded", is_stream=True)
    _, output, last = receiver.bodies()
    assert output["output"] == last["output"] == list(range(100))
    assert output["logs"] == last["logs"]


async def test_the_end_is_last_for_each_of_many(receiver: Receiver) -> None:
    ids = [f"p{number}" for number in range(50)]
    async with delivering() as webhooks:
        predictions = [started(webhooks, f"{receiver.url}/{name}", prediction_id=name) for name in ids]
        await arrived(receiver, 20)
        for prediction in predictions:
            prediction.produce(b"1")
            prediction.produce(b"2")
            end(prediction, "succeeded")
    for name in ids:
        of_one = [body["status"] for body in receiver.bodies(f"/{name}")]
        assert of_one[-1] == "succeeded"
        assert set(of_one[:-1]) <= {"processing"}


async def test_logs_are_delayed_within_the_interval(receiver: Receiver) -> None:
    async with delivering(interval_s=0.0) as eager, delivering(interval_s=3600.0) as webhooks:
        immediate = eager.listener(Hook(f"{receiver.url}/eager", ALL))
        prediction = started(webhooks, f"{receiver.url}/held", others=[immediate])
        await arrived_at(receiver, "/held", 1)
        for count, line in enumerate(("a\n", "b\n"), start=1):
            prediction.log("stdout", line)
            await arrived_at(receiver, "/eager", count)
        end(prediction, "succeeded")
    assert [body["logs"] for body in receiver.bodies("/held")] == ["", "a\nb\n"]


async def test_logs_are_sent_when_the_interval_is_over(receiver: Receiver) -> None:
    async with delivering(interval_s=0.2) as webhooks:
        prediction = started(webhooks, receiver.url)
        await arrived(receiver, 1)
        prediction.log("stdout", "a\n")
        await arrived(receiver, 2)
        end(prediction, "succeeded")
    assert [body["logs"] for body in receiver.bodies()] == ["", "a\n", "a\n"]


async def test_a_receiver_of_logs_alone_gets_the_last_ones(receiver: Receiver) -> None:
    async with delivering(interval_s=60.0) as webhooks:
        prediction = started(webhooks, receiver.url, ["logs"])
        prediction.log("stdout", "a\n")
        await arrived(receiver, 1)
        prediction.log("stdout", "b\n")
        end(prediction, "failed", error="no")
    assert [(body["logs"], body["status"]) for body in receiver.bodies()] == [
        ("a\n", "processing"),
        ("a\nb\n", "processing"),
    ]


async def test_headers(receiver: Receiver) -> None:
    async with delivering(token=WebhookToken("secret")) as webhooks:
        trace = {"traceparent": "00-ab-cd-01", "tracestate": "k=\xe9"}
        prediction = new_prediction([webhooks.listener(Hook(receiver.url, ("completed",), trace))])
        prediction.start()
        end(prediction, "canceled")
    headers = dict(receiver.received[0].headers)
    assert headers.pop("user-agent").startswith("coglet/")
    assert headers.pop("content-length") == str(receiver.received[0].size)
    assert headers == {
        "host": f"127.0.0.1:{receiver.port}",
        "accept": "*/*",
        "content-type": "application/json",
        "authorization": "Bearer secret",
        "traceparent": "00-ab-cd-01",
        "tracestate": "k=\xe9",
    }


@pytest.mark.parametrize("failing", [Reply(429), Reply(500), Reply(502), Reply(503), Reply(504), HANG_UP])
async def test_the_end_is_tried_again(receiver: Receiver, failing: Reply) -> None:
    receiver.answer = in_turn(failing, failing, failing, Reply())
    async with delivering() as webhooks:
        end(started(webhooks, receiver.url, ["completed"]), "succeeded")
        attempts = await arrived(receiver, 4)
    assert len(receiver.received) == 4
    assert len({attempt.body for attempt in attempts}) == 1
    waits = [later.at - earlier.at for earlier, later in itertools.pairwise(attempts)]
    assert waits[0] > 0.15
    assert waits[1] > 0.35


async def test_progress_is_tried_once(receiver: Receiver) -> None:
    receiver.answer = lambda received: Reply(200 if b"succeeded" in received.body else 503)
    async with delivering() as webhooks:
        prediction = started(webhooks, receiver.url)
        await arrived(receiver, 1)
        prediction.produce(b"1")
        await arrived(receiver, 2)
        end(prediction, "succeeded")
    assert statuses(receiver) == ["processing", "processing", "succeeded"]


@pytest.mark.parametrize("status", [400, 401, 404, 408, 410, 301])
async def test_a_refusal_ends_it(receiver: Receiver, status: int, caplog: pytest.LogCaptureFixture) -> None:
    receiver.answer = lambda _: Reply(status)
    async with delivering() as webhooks:
        end(started(webhooks, receiver.url, ["completed"]), "succeeded")
    assert len(receiver.received) == 1
    assert f"not delivered: the receiver responded with status {status}" in caplog.text


async def test_the_log_does_not_contain_the_secrets_of_a_url(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answer = lambda _: Reply(404)
    async with delivering() as webhooks:
        url = f"http://user:password@127.0.0.1:{receiver.port}/path-token?token=secret"
        end(started(webhooks, url), "succeeded")
    assert f"http://127.0.0.1:{receiver.port}" in caplog.text
    for secret in ("user", "password", "token", "secret"):
        assert secret not in caplog.text


@pytest.mark.parametrize("status", [307, 308])
async def test_a_redirect_that_keeps_the_method_is_followed(receiver: Receiver, status: int) -> None:
    receiver.answer = lambda received: redirect("/new", status) if received.path == "/old" else Reply()
    async with delivering(token=WebhookToken("secret")) as webhooks:
        end(started(webhooks, f"{receiver.url}/old", ["completed"]), "succeeded")
    old, new = receiver.received
    assert (new.method, new.path, new.body) == ("POST", "/new", old.body)
    assert new.headers["authorization"] == "Bearer secret"


async def test_the_token_is_not_sent_to_another_origin(receiver: Receiver) -> None:
    with Receiver().listening() as other:
        receiver.answer = lambda _: redirect(f"{other.url}/new", 307)
        async with delivering(token=WebhookToken("secret")) as webhooks:
            end(started(webhooks, receiver.url, ["completed"]), "succeeded")
        assert "authorization" not in other.received[0].headers
        assert other.received[0].json()["status"] == "succeeded"


@pytest.mark.parametrize(("hosts", "gets_it"), [(("127.0.0.*",), True), (("hooks.example",), False)])
async def test_only_hosts_of_the_operators_list_get_the_token(
    receiver: Receiver, hosts: tuple[str, ...], gets_it: bool
) -> None:
    async with delivering(token=WebhookToken("secret", hosts)) as webhooks:
        end(started(webhooks, receiver.url, ["completed"]), "succeeded")
    assert ("authorization" in receiver.received[0].headers) == gets_it


async def test_a_blocked_address_is_reported_once_and_not_retried(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    async with delivering(guard=UrlGuard(strict=True)) as webhooks:
        prediction = started(webhooks, receiver.url)
        await asyncio.to_thread(wait_for, lambda: caplog.messages, "notice")
        prediction.produce(b"1")
        end(prediction, "succeeded")
    (notice,) = caplog.messages
    assert notice.endswith("address blocked (see COG_URL_GUARD, COG_ALLOW_URLS)")
    assert not receiver.connections


@pytest.mark.parametrize("status", [301, 302, 303])
async def test_a_redirect_that_would_drop_the_body_is_a_failure(receiver: Receiver, status: int) -> None:
    receiver.answer = in_turn(redirect("/elsewhere", status), redirect("/elsewhere", status), Reply())
    async with delivering() as webhooks:
        end(started(webhooks, f"{receiver.url}/hook", ["completed"]), "succeeded")
        await arrived(receiver, 3)
    assert [(request.method, request.path) for request in receiver.received] == [("POST", "/hook")] * 3


async def test_an_endless_redirect_ends(receiver: Receiver) -> None:
    replies = iter([redirect("/hook", 307)] * 6)
    receiver.answer = lambda _: next(replies, Reply())
    async with delivering() as webhooks:
        end(started(webhooks, f"{receiver.url}/hook", ["completed"]), "succeeded")
        await arrived(receiver, 7)
    assert receiver.received[6].at - receiver.received[5].at > 0.15


@pytest.mark.parametrize("events", [ALL, ("completed",)])
async def test_an_end_that_can_never_be_delivered_is_not_due_any_more(
    events: tuple[WebhookEvent, ...],
) -> None:
    given_up: list[tuple[str, float]] = []
    async with delivering(
        guard=UrlGuard(strict=True), on_delivered=lambda *each: given_up.append(each)
    ) as webhooks:
        prediction = started(webhooks, "http://127.0.0.1:9", events)
        await webhooks.wait_delivered()
        assert given_up == []
        end(prediction, "succeeded")
    assert given_up == [("p", prediction.created_at)]
    assert webhooks.outcomes[("completed", "failed")] == 1


async def test_an_end_beyond_the_backlog_is_not_due_any_more(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("coglet_supervisor.webhooks.delivery.MAX_BACKLOG_BYTES", 1)
    proceed = threading.Event()

    def answer(_: Received) -> Reply:
        proceed.wait(10)
        return Reply()

    receiver.answer = answer
    given_up: list[str] = []
    async with delivering(on_delivered=lambda name, _: given_up.append(name)) as webhooks:
        end(started(webhooks, receiver.url, ["completed"], prediction_id="first"), "succeeded")
        end(started(webhooks, receiver.url, ["completed"], prediction_id="second"), "succeeded")
        earlier = KeptPrediction("earlier", webhook=Hook(receiver.url, ("completed",))).record()
        webhooks.deliver_end(earlier)
        assert caplog.text.count("bytes are waiting for delivery already") == 2
        proceed.set()
    assert sorted(given_up) == ["earlier", "first", "second"]
    assert len(receiver.received) == 1
