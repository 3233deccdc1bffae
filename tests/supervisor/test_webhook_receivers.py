"""runtime.md 10.4, hardening.md R22: slow and unavailable receivers, and a shutdown during deliveries."""

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import Iterator

import pytest
from testing.ports import HOST, reserved_port
from testing.receiver import Receiver, Reply, in_turn
from testing.waiting import wait_for
from tests.supervisor.delivering import arrived, delivering, started, statuses
from tests.supervisor.running import end

from coglet_supervisor.webhooks import delivery as webhooks_module
from coglet_supervisor.webhooks import sender as webhook_sender


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().listening() as receiver:
        yield receiver


async def test_all_ends_arrive_once_one_attempt_reaches_the_receiver(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_sender, "RETRY_DELAYS_S", (0.2, 3600.0))
    caplog.set_level(logging.DEBUG, "coglet_supervisor")
    ids = [f"p{number}" for number in range(100)]
    with reserved_port() as port:
        url = f"http://{HOST}:{port}/hook"
        async with delivering() as webhooks:
            for name in ids:
                prediction = started(webhooks, url, prediction_id=name)
                prediction.produce(b"1")
                end(prediction, "succeeded")
            await asyncio.to_thread(
                wait_for, lambda: caplog.text.count("again in 3600 s") == len(ids), "second attempts"
            )
            with Receiver(port=port).listening() as back:
                end(started(webhooks, url, ["completed"], prediction_id="late"), "succeeded")
                await asyncio.to_thread(back.wait_count, len(ids) + 1)
    assert sorted(body["id"] for body in back.bodies()) == sorted([*ids, "late"])


async def test_an_unavailable_receiver_gets_few_attempts(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "coglet_supervisor")
    receiver.answer = lambda _: Reply(503)
    async with delivering() as webhooks:
        for number in range(300):
            end(started(webhooks, receiver.url, prediction_id=f"p{number}"), "succeeded")
        await asyncio.to_thread(wait_for, lambda: caplog.text.count("again in 0.2 s") == 300, "failures")
        warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert len(warnings) <= len(receiver.received) < 150
        receiver.answer = lambda _: Reply()


async def test_a_slow_receiver_does_not_delay_others(receiver: Receiver) -> None:
    proceed = threading.Event()
    with Receiver().listening() as slow:
        slow.answer = lambda _: Reply() if proceed.wait(10) else Reply(500)
        async with delivering() as webhooks:
            for number in range(80):
                end(started(webhooks, slow.url, prediction_id=f"slow{number}"), "succeeded")
            end(started(webhooks, receiver.url, ["completed"]), "succeeded")
            await arrived(receiver, 1)
            proceed.set()
    assert statuses(receiver) == ["succeeded"]
    assert sum(status == "succeeded" for status in statuses(slow)) == 80


async def test_sends_to_a_slow_receiver_do_not_delay_other_receivers(receiver: Receiver) -> None:
    proceed = threading.Event()
    with Receiver().listening() as slow:
        slow.answer = lambda _: Reply() if proceed.wait(10) else Reply(500)
        async with delivering() as webhooks:
            for number in range(20):
                end(started(webhooks, slow.url, prediction_id=f"slow{number}"), "succeeded")
            await arrived(slow, 16)
            prediction = started(webhooks, receiver.url)
            prediction.produce(b"1")
            end(prediction, "succeeded")
            await arrived(receiver, 3)
            proceed.set()
    assert statuses(receiver) == ["processing", "processing", "succeeded"]


async def test_a_receiver_that_is_behind_gets_the_end_alone(receiver: Receiver) -> None:
    proceed = threading.Event()
    receiver.answer = lambda _: Reply() if proceed.wait(10) else Reply(500)
    async with delivering() as webhooks:
        predictions = [started(webhooks, receiver.url, prediction_id=f"p{number}") for number in range(40)]
        in_time = {request.json()["id"] for request in await arrived(receiver, 16)}
        for prediction in predictions:
            prediction.produce(b"1")
            end(prediction, "succeeded")
        proceed.set()
    late = [body["status"] for body in receiver.bodies() if body["id"] not in in_time]
    assert late == ["succeeded"] * 24


async def test_a_large_end_is_sent_completely(receiver: Receiver) -> None:
    text = "x" * 900_000
    async with delivering() as webhooks:
        prediction = started(webhooks, receiver.url, ["completed"])
        prediction.log("stdout", text)
        end(prediction, "succeeded")
    assert receiver.bodies()[0]["logs"] == text


async def test_an_endless_response_is_not_read(receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(200, {"Content-Length": "1000000000000"}, b"x" * 1_000_000)
    async with delivering() as webhooks:
        end(started(webhooks, receiver.url, ["completed"]), "succeeded")
    assert len(receiver.received) == 1


async def test_remaining_deliveries_are_canceled_and_logged_at_shutdown(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    proceed = threading.Event()
    receiver.answer = lambda _: Reply() if proceed.wait(10) else Reply(500)
    async with delivering() as webhooks:
        end(started(webhooks, receiver.url), "succeeded")
        await arrived(receiver, 1)
        await webhooks.close()
    proceed.set()
    assert "prediction p: webhook to http://127.0.0.1" in caplog.text
    assert "not delivered: the server is shutting down" in caplog.text


async def test_waiting_deliveries_make_their_next_attempt_at_shutdown(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_sender, "RETRY_DELAYS_S", (3600.0,))
    receiver.answer = in_turn(Reply(500), Reply())
    async with delivering() as webhooks:
        end(started(webhooks, receiver.url, ["completed"]), "succeeded")
        await asyncio.to_thread(wait_for, lambda: "again in 3600 s" in caplog.text, "failed attempt")
        await webhooks.wait_delivered()
    assert statuses(receiver) == ["succeeded", "succeeded"]


async def test_a_waiting_end_keeps_only_its_body_in_memory(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answer = in_turn(Reply(500), Reply())
    async with delivering() as webhooks:
        prediction = started(webhooks, receiver.url, ["completed"])
        end(prediction, "succeeded")
        kept = weakref.ref(prediction)
        del prediction
        await asyncio.to_thread(wait_for, lambda: "trying again" in caplog.text, "failed attempt")
        gc.collect()
        assert kept() is None


async def test_delivered_ends_leave_the_backlog(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks_module, "MAX_BACKLOG_BYTES", 50_000)
    async with delivering() as webhooks:
        for number in range(4):
            prediction = started(webhooks, receiver.url, ["completed"])
            prediction.produce(b'"%b"' % (b"x" * 30_000))
            end(prediction, "succeeded")
            await arrived(receiver, number + 1)
            await webhooks.wait_delivered()
    assert statuses(receiver) == ["succeeded"] * 4


async def test_a_full_backlog_accepts_no_more(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks_module, "MAX_BACKLOG_BYTES", 50_000)
    proceed = threading.Event()
    receiver.answer = lambda _: Reply() if proceed.wait(10) else Reply(500)
    async with delivering() as webhooks:
        for name in ("first", "second", "third"):
            prediction = started(webhooks, receiver.url, ["completed"], prediction_id=name)
            prediction.produce(b'"%b"' % (b"x" * 15_000))
            end(prediction, "succeeded")
        await arrived(receiver, 2)
        proceed.set()
    assert {body["id"] for body in receiver.bodies()} == {"first", "second"}
    assert "prediction third" in caplog.text
    assert "50000 bytes are waiting for delivery already" in caplog.text
