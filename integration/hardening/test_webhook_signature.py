"""hardening.md S23: a receiver can verify each attempt, retries included."""

import base64
import hashlib
import hmac
import time
from typing import Final

import pytest
from integration.conftest import Serve
from testing.receiver import Received, Receiver, Reply, in_turn
from testing.script import returning

pytestmark = pytest.mark.ours("hardening.md S23")

KEY: Final = b"the key of this test"
SECRET: Final = {"WEBHOOK_SIGNING_SECRET": f"whsec_{base64.b64encode(KEY).decode()}"}


def is_signed(received: Received) -> bool:
    headers = received.headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + received.body
    expected = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
    return headers["webhook-signature"] == f"v1,{expected}"


def test_every_attempt_is_signed_anew_under_the_same_id(serve: Serve) -> None:
    began = int(time.time())
    with serve("script", variables=SECRET) as server, Receiver().listening() as receiver:
        receiver.answer = in_turn(Reply(503), Reply(503), Reply())
        server.predict(returning("1"), webhook=receiver.url, webhook_events_filter=["completed"])
        attempts = receiver.wait_count(3)
    assert all(map(is_signed, attempts))
    assert len({attempt.headers["webhook-id"] for attempt in attempts}) == 1
    stamps = [int(attempt.headers["webhook-timestamp"]) for attempt in attempts]
    assert stamps == sorted(stamps)
    assert stamps[0] >= began


def test_two_webhooks_have_two_ids(serve: Serve) -> None:
    with serve("script", variables=SECRET) as server, Receiver().listening() as receiver:
        for _ in range(2):
            server.predict(returning("1"), webhook=receiver.url, webhook_events_filter=["completed"])
        received = receiver.wait_count(2)
    assert len({each.headers["webhook-id"] for each in received}) == 2


def test_without_a_secret_there_is_no_signature(serve: Serve) -> None:
    with serve("script") as server, Receiver().listening() as receiver:
        server.predict(returning("1"), webhook=receiver.url, webhook_events_filter=["completed"])
        (received,) = receiver.wait_count(1)
    assert "webhook-signature" not in received.headers


def test_a_secret_that_cannot_be_used_ends_the_start(serve: Serve) -> None:
    with serve("script", variables={"WEBHOOK_SIGNING_SECRET": "whsec_*broken*"}, until=None) as server:
        assert server.wait_exit() == 1
        assert "WEBHOOK_SIGNING_SECRET" in server.log
        assert "broken" not in server.log
