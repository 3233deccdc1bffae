"""replicate-api.md 3: what the headers and the body of a creation may be."""

import re

import pytest

from coglet_supervisor.base32_ids import new_id
from coglet_supervisor.http.request import HttpError
from coglet_supervisor.pages.hosted.creation import (
    IdempotencyKey,
    check_key,
    deadline_s,
    read_creation,
    wait_limit_s,
)


@pytest.mark.parametrize(
    ("prefer", "limit_s"),
    [
        (None, None),
        ("respond-async", None),
        ("wait", 60.0),
        ("wait=5", 5.0),
        ("Wait = 5", 5.0),
        ("x, wait=60; y", 60.0),
        ("wait=0", 60.0),
        ("wait=61", 60.0),
        ("waiting", None),
    ],
)
def test_how_long_a_client_waits(prefer: str | None, limit_s: float | None) -> None:
    assert wait_limit_s(prefer) == limit_s


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5.0), ("1.5m", 90.0), ("2h", 7200.0), (" 30s ", 30.0), ("720h", 2_592_000.0)]
)
def test_deadlines(text: str, seconds: float) -> None:
    assert deadline_s(text) == seconds


@pytest.mark.parametrize("text", ["", "4s", "5", "5d", "-5m", "1e3s", "x"])
def test_deadlines_that_are_refused(text: str) -> None:
    with pytest.raises(HttpError) as caught:
        deadline_s(text)
    assert caught.value.status == 422
    assert b"at least 5 seconds" in caught.value.body


@pytest.mark.parametrize("text", ["720.1h", "2592001s", "99999999h"])
def test_deadlines_that_are_too_far_away(text: str) -> None:
    with pytest.raises(HttpError) as caught:
        deadline_s(text)
    assert caught.value.status == 422
    assert b"at most 30 days" in caught.value.body


def test_ids_are_26_characters_of_base32() -> None:
    ids = {new_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch("[a-z2-7]{26}", each) for each in ids)


def test_a_key_gives_the_same_id_for_the_same_request() -> None:
    keys = [
        IdempotencyKey("k", "r", b"b"),
        IdempotencyKey("K", "r", b"b"),
        IdempotencyKey("k", "R", b"b"),
        IdempotencyKey("k", "r", b"B"),
        IdempotencyKey("kr", "", b"b"),
    ]
    assert len({key.prediction_id(n) for key in keys for n in range(3)}) == 3 * len(keys)
    assert keys[0].prediction_id(0) == IdempotencyKey("k", "r", b"b").prediction_id(0)
    assert re.fullmatch("[a-z2-7]{26}", keys[0].prediction_id(0))


def test_a_key_that_is_too_long() -> None:
    check_key("k" * 255)
    with pytest.raises(HttpError):
        check_key("k" * 256)


@pytest.mark.parametrize(
    ("body", "url", "events"),
    [
        (b"{}", None, ("start", "output", "logs", "completed")),
        (b'{"webhook": "u"}', "u", ("start", "output", "logs", "completed")),
        (b'{"webhook": "u", "webhook_events_filter": ["start"]}', "u", ("start",)),
        (b'{"webhook_completed": "u"}', "u", ("completed",)),
    ],
)
def test_webhooks(body: bytes, url: str | None, events: tuple[str, ...]) -> None:
    creation = read_creation(body)
    assert (creation.hook_url, creation.hook_events) == (url, events)


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"{", 400), (b"[]", 422), (b'{"stream": 1}', 422), (b'{"input":' + b"[" * 200, 400)],
)
def test_bodies_that_are_refused(body: bytes, status: int) -> None:
    with pytest.raises(HttpError) as caught:
        read_creation(body)
    assert caught.value.status == status
