"""records.md 4: what every store of records does. Each test runs against each store."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest
from tests.supervisor.kept import KeptPrediction

from coglet_supervisor.predictions.hosted import HostedCall
from coglet_supervisor.predictions.prediction import Status
from coglet_supervisor.predictions.record import NotRecorded, OnWritten, Record, Recordable
from coglet_supervisor.predictions.stream import PredictionStream
from coglet_supervisor.predictions.validation import Validation
from coglet_supervisor.records.memory import MemoryStore
from coglet_supervisor.records.sqlite.store import SqliteStore
from coglet_supervisor.records.store import Cursor, Expired, Limits, Page, Query, Store


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
async def opened(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> AsyncIterator[Store]:
    limits = Limits(max_records=4, max_bytes=1000, ttl_s=60.0, input_ttl_s=20.0)
    store: Store
    if request.param == "memory":
        store = MemoryStore(limits, clock=clock)
    else:
        validation = Validation(None, ignore_unknown=False)
        store = SqliteStore(tmp_path / "records.db", limits, lambda: validation, clock=clock)
    yield store
    await store.close()


Transition = Callable[[Recordable, OnWritten], None]


async def written(transition: Transition, prediction: KeptPrediction) -> None:
    """Report a transition to a store, and wait until it is written."""
    done: asyncio.Future[NotRecorded | None] = asyncio.get_running_loop().create_future()
    transition(prediction, done.set_result)
    assert await done is None


async def accepted(store: Store, prediction: KeptPrediction) -> KeptPrediction:
    await written(store.accept, prediction)
    return prediction


async def ended(store: Store, prediction: KeptPrediction, status: Status = "succeeded") -> KeptPrediction:
    """Take a prediction from its acceptance to its end."""
    await accepted(store, prediction)
    prediction.status, prediction.started_at = "processing", prediction.created_at + 1
    await written(store.start, prediction)
    prediction.status, prediction.completed_at = status, prediction.created_at + 2
    prediction.output = b'"done"' if status == "succeeded" else None
    await written(store.finish, prediction)
    return prediction


async def found(store: Store, prediction_id: str = "p") -> Record:
    """Return a record without its digest, which only some stores need."""
    record = await store.get(prediction_id)
    assert isinstance(record, Record)
    return msgspec.structs.replace(record, input_digest=None)


async def test_each_state_is_kept(opened: Store) -> None:
    prediction = await accepted(opened, KeptPrediction())
    assert await found(opened) == prediction.record()
    await written(opened.start, prediction)
    prediction.status, prediction.started_at = "processing", 1001.0
    record = await found(opened)
    assert (record.status, record.started_at is not None) == ("processing", True)
    prediction.status, prediction.completed_at, prediction.output = "succeeded", 1002.0, b'["a"]'
    await written(opened.finish, prediction)
    record = await found(opened)
    assert record == prediction.record()
    assert (record.output, record.logs) == (prediction.record().output, "said\n")


async def test_what_was_never_there_is_unknown(opened: Store) -> None:
    assert await opened.get("p") is None
    assert await opened.stream("p") is None
    assert not await opened.delete("p")
    assert await opened.list(Query(kind="prediction")) == Page([])


async def test_an_id_that_runs_again_has_the_record_of_its_last_run(opened: Store) -> None:
    await ended(opened, KeptPrediction(), "failed")
    again = await accepted(opened, KeptPrediction(sequence=2))
    assert await found(opened) == again.record()
    assert [record.sequence for record in (await opened.list(Query(kind="prediction"))).records] == [2]
    await ended(opened, again)
    assert await found(opened) == again.record()


async def test_a_deleted_record_was_never_there(opened: Store) -> None:
    await ended(opened, KeptPrediction())
    assert await opened.delete("p")
    assert await opened.get("p") is None
    assert not await opened.delete("p")


async def test_what_has_not_ended_cannot_be_deleted(opened: Store) -> None:
    prediction = await accepted(opened, KeptPrediction())
    assert not await opened.delete("p")
    assert await found(opened) == prediction.record()


async def test_of_which_ids_there_is_a_record(opened: Store) -> None:
    await accepted(opened, KeptPrediction("running"))
    await ended(opened, KeptPrediction("ended", 2))
    await ended(opened, KeptPrediction("deleted", 3))
    await opened.delete("deleted")
    ids = {"running", "ended", "deleted", "unknown", 'a"b'}
    assert set(await opened.recorded(ids)) == {"running", "ended"}


@pytest.mark.parametrize("count", [5, 20])
async def test_the_latest_are_kept(opened: Store, count: int) -> None:
    for number in range(count):
        await ended(opened, KeptPrediction(f"p{number}", number))
    await opened.expire()
    assert [isinstance(await opened.get(f"p{number}"), Record) for number in range(count)] == [False] * (
        count - 4
    ) + [True] * 4
    assert await opened.get("p0") == Expired()


async def test_those_that_have_not_ended_are_never_removed(opened: Store, clock: Clock) -> None:
    waiting = await accepted(opened, KeptPrediction("waiting", 0, kept_bytes=5000))
    for number in range(1, 10):
        await ended(opened, KeptPrediction(f"p{number}", number))
    clock.now_s += 3600
    await opened.expire()
    assert await found(opened, "waiting") == waiting.record()


async def test_their_size_is_limited(opened: Store) -> None:
    for number in range(3):
        await ended(opened, KeptPrediction(f"p{number}", number, kept_bytes=400))
    await opened.expire()
    assert await opened.get("p0") == Expired()
    assert isinstance(await opened.get("p1"), Record)
    await opened.delete("p1")
    await ended(opened, KeptPrediction("p3", 3, kept_bytes=600))
    await opened.expire()
    assert isinstance(await opened.get("p2"), Record)
    await ended(opened, KeptPrediction("huge", 4, kept_bytes=1001))
    await opened.expire()
    assert [await opened.get(name) for name in ("p2", "p3", "huge")] == [Expired()] * 3


async def test_they_are_removed_by_age(opened: Store, clock: Clock) -> None:
    await ended(opened, KeptPrediction("old", 1, created_at=clock.now_s - 2))
    clock.now_s += 59
    await ended(opened, KeptPrediction("new", 2, created_at=clock.now_s - 2))
    await opened.expire()
    assert isinstance(await opened.get("old"), Record)
    clock.now_s += 1
    await opened.expire()
    assert await opened.get("old") == Expired()
    assert isinstance(await opened.get("new"), Record)


async def test_inputs_are_removed_before(opened: Store, clock: Clock) -> None:
    await ended(opened, KeptPrediction("old", 1, created_at=clock.now_s - 2))
    clock.now_s += 19
    await ended(opened, KeptPrediction("new", 2, created_at=clock.now_s - 2))
    waiting = await accepted(opened, KeptPrediction("waiting", 3))
    await opened.expire()
    assert (await found(opened, "old")).input is not None
    clock.now_s += 1
    await opened.expire()
    old = await found(opened, "old")
    assert (old.input, old.is_data_removed, old.output is not None) == (None, True, True)
    assert (await found(opened, "new")).input is not None
    assert await found(opened, "waiting") == waiting.record()


async def test_an_expired_id_that_runs_again_is_known(opened: Store, clock: Clock) -> None:
    await ended(opened, KeptPrediction())
    clock.now_s += 60
    await opened.expire()
    again = await accepted(opened, KeptPrediction(sequence=2))
    assert await found(opened) == again.record()


async def sequences(store: Store, **query: object) -> list[int]:
    page = await store.list(Query(kind="prediction", **query))  # type: ignore[arg-type]
    return [record.sequence for record in page.records]


@pytest.fixture
async def five(opened: Store) -> Store:
    """Two predictions that have ended, in another order than they began, two in flight, and a training."""
    for number in (2, 1):
        await ended(opened, KeptPrediction(f"p{number}", number), "failed" if number == 2 else "succeeded")
    for number in (3, 4):
        await accepted(opened, KeptPrediction(f"p{number}", number))
    await accepted(opened, KeptPrediction("t", 5, "training"))
    return opened


async def test_the_list_begins_with_the_latest(five: Store) -> None:
    assert await sequences(five) == [4, 3, 2, 1]
    trainings = await five.list(Query(kind="training"))
    assert [record.id for record in trainings.records] == ["t"]


@pytest.mark.parametrize(
    ("status", "expected"), [("starting", [4, 3]), ("failed", [2]), ("succeeded", [1]), ("canceled", [])]
)
async def test_the_list_of_one_status(five: Store, status: Status, expected: list[int]) -> None:
    assert await sequences(five, status=status) == expected


async def test_the_list_in_pages_there_and_back(five: Store) -> None:
    first = await five.list(Query(kind="prediction", limit=3))
    assert (first.newer, first.older) == (None, Cursor("before", 2))
    second = await five.list(Query(kind="prediction", limit=3, cursor=first.older))
    assert [record.sequence for record in second.records] == [1]
    assert (second.newer, second.older) == (Cursor("after", 1), None)
    back = await five.list(Query(kind="prediction", limit=3, cursor=second.newer))
    assert back == first


async def test_a_page_does_not_move_when_others_arrive(five: Store) -> None:
    first = await five.list(Query(kind="prediction", limit=2))
    await accepted(five, KeptPrediction("p6", 6))
    assert await sequences(five, limit=2, cursor=first.older) == [2, 1]


async def test_the_list_says_how_large_the_data_are_and_has_none(five: Store) -> None:
    page = await five.list(Query(kind="prediction"))
    assert not any(record.input or record.output or record.logs for record in page.records)
    assert all(record.kept_bytes for record in page.records)


@pytest.mark.parametrize("text", ["", "x1", "b", "b-1", "b1.5", "a" + "9" * 19, "b1 ", "before1"])
def test_a_cursor_that_no_list_has_given(text: str) -> None:
    assert Cursor.parse(text) is None


@pytest.mark.parametrize("cursor", [Cursor("before", 0), Cursor("after", 10**17)])
def test_a_cursor_is_a_text(cursor: Cursor) -> None:
    assert Cursor.parse(str(cursor)) == cursor


async def test_the_events_of_a_streaming_one_are_kept(opened: Store) -> None:
    await ended(opened, KeptPrediction(stream=PredictionStream(10)))
    assert isinstance(await opened.stream("p"), PredictionStream)


async def test_the_request_of_the_hosted_api_and_the_deadline_are_kept(opened: Store) -> None:
    call = HostedCall("https://a.test", "me/model", "v" * 64, destination="me/trained")
    await accepted(opened, KeptPrediction(deadline=2000.5, hosted=call))
    record = await opened.get("p")
    assert isinstance(record, Record)
    assert (record.deadline, record.hosted) == (2000.5, call)
