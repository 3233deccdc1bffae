"""records.md 4: what the SQLite file holds after writes that fail or come late, and when limits are over."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.supervisor.kept import KeptPrediction
from tests.supervisor.stored import LARGE, files_beside, finish, found, opened, write

from coglet_supervisor.predictions.hook import Hook
from coglet_supervisor.predictions.record import NotRecorded, Record
from coglet_supervisor.records.sqlite.files import MAX_ROW_BYTES
from coglet_supervisor.records.sqlite.store import SqliteStore
from coglet_supervisor.records.store import Expired, Limits, Query

HOOK = Hook("http://receiver.test", ("completed",))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


@contextmanager
def full_disk(store: SqliteStore) -> Iterator[None]:
    """Let no row be written."""
    connection = store._database.writing
    connection.execute("PRAGMA query_only = 1")
    yield
    connection.execute("PRAGMA query_only = 0")


async def all_written(store: SqliteStore) -> None:
    """Wait for the writes so far."""
    await store.delete("none")


async def finish_on_full_disk(store: SqliteStore, prediction: KeptPrediction) -> None:
    await write(store.accept, prediction)
    prediction.status, prediction.completed_at, prediction.output = "succeeded", 1002.0, b'"done"'
    with full_disk(store), pytest.raises(NotRecorded):
        await write(store.finish, prediction)


async def test_a_refused_run_leaves_the_unwritten_end_of_the_run_before(path: Path) -> None:
    async with opened(path) as store:
        await finish_on_full_disk(store, KeptPrediction())
        with full_disk(store), pytest.raises(NotRecorded):
            await write(store.accept, KeptPrediction(sequence=2))
        assert (await found(store)).status == "succeeded"
        await store.expire()
    async with opened(path) as store:
        assert (await found(store)).status == "succeeded"


async def test_an_accepted_run_replaces_the_unwritten_end_of_the_run_before(path: Path) -> None:
    async with opened(path) as store:
        await finish_on_full_disk(store, KeptPrediction())
        await write(store.accept, KeptPrediction(sequence=2))
        await store.expire()
        assert (await found(store)).status == "starting"
        page = await store.list(Query(kind="prediction"))
        assert [record.sequence for record in page.records] == [2]


async def test_a_late_end_leaves_the_files_of_the_next_run(path: Path) -> None:
    async with opened(path) as store:
        first = KeptPrediction(sequence=1)
        await write(store.accept, first)
        await write(store.accept, KeptPrediction(sequence=2, input=LARGE))
        first.status, first.completed_at, first.output = "failed", 1003.0, LARGE
        await write(store.finish, first)
        assert files_beside(path) == ["2.input"]


async def test_an_unwritten_end_can_be_deleted(path: Path) -> None:
    async with opened(path) as store:
        await finish_on_full_disk(store, KeptPrediction())
        assert await store.delete("p")
        assert await store.get("p") is None


async def test_a_late_delivery_leaves_the_webhook_of_the_next_run_due(path: Path) -> None:
    async with opened(path) as store:
        first = KeptPrediction(sequence=1, webhook=HOOK)
        await finish(store, first)
        await finish(store, KeptPrediction(sequence=2, webhook=HOOK, created_at=2000.0))
        store.webhook_delivered("p", first.created_at)
        await all_written(store)
        assert [record.sequence for record in await store.undelivered(0, 10)] == [2]


async def test_webhooks_that_are_due_come_in_steps(path: Path) -> None:
    async with opened(path) as store:
        for number in (1, 2, 3):
            await finish(store, KeptPrediction(f"p{number}", number, webhook=HOOK))
        assert [record.id for record in await store.undelivered(0, 2)] == ["p1", "p2"]
        assert [record.id for record in await store.undelivered(2, 2)] == ["p3"]
        assert await store.undelivered(3, 2) == []


async def test_what_is_read_in_one_step_is_limited_in_bytes(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coglet_supervisor.records.sqlite.store._STEP_BYTES", 2 * MAX_ROW_BYTES)
    async with opened(path) as store:
        for number in (1, 2, 3):
            await write(store.accept, KeptPrediction(f"p{number}", number, input=LARGE))
        assert [record.id for record in await store.unfinished(0, 10)] == ["p1", "p2"]
        assert [record.id for record in await store.unfinished(2, 10)] == ["p3"]


async def test_a_webhook_delivered_before_the_end_is_written_is_not_due(path: Path) -> None:
    async with opened(path) as store:
        prediction = KeptPrediction(webhook=HOOK)
        await finish_on_full_disk(store, prediction)
        store.webhook_delivered("p", prediction.created_at)
        await store.expire()
        await all_written(store)
        assert await store.undelivered(0, 10) == []


async def test_a_late_end_of_an_earlier_attempt_changes_nothing(path: Path) -> None:
    async with opened(path) as store:
        prediction, left = KeptPrediction(attempt=2, status="processing"), KeptPrediction(attempt=1)
        await write(store.accept, left)
        await write(store.start, prediction)
        left.status, left.completed_at = "failed", 1003.0
        await write(store.finish, left)
        record = await found(store)
        assert (record.status, record.attempt) == ("processing", 2)


async def test_a_prediction_ends_once(path: Path) -> None:
    async with opened(path) as store:
        prediction = KeptPrediction()
        await finish(store, prediction)
        await write(store.start, prediction)
        prediction.status = "failed"
        await write(store.finish, prediction)
        assert (await found(store)).status == "succeeded"


async def test_an_acceptance_and_an_end_are_on_disk_before_they_are_reported(path: Path) -> None:
    async with opened(path) as store:
        prediction = KeptPrediction()
        levels = []
        for transition, status in (
            (store.accept, "processing"),
            (store.start, "succeeded"),
            (store.finish, ""),
        ):
            await write(transition, prediction)
            levels += store._database.writing.execute("PRAGMA synchronous").fetchone()
            prediction.status, prediction.completed_at = status, 1002.0  # type: ignore[assignment]
    full, normal = 2, 1
    assert levels == [full, normal, full]


# limits


async def test_all_beyond_the_limit_are_removed_at_once(path: Path) -> None:
    async with opened(path) as store:
        for number in range(1, 501):
            prediction = KeptPrediction(f"p{number}", number)
            store.accept(prediction, lambda _: None)
            prediction.status, prediction.completed_at = "succeeded", 1002.0
            store.finish(prediction, lambda _: None)
        await all_written(store)
        await store.expire()
        page = await store.list(Query(kind="prediction", limit=100))
        assert [record.sequence for record in page.records] == list(range(500, 490, -1))


async def test_inputs_of_all_that_ended_are_removed_at_once(path: Path) -> None:
    limits = Limits(max_records=1000, max_bytes=10**9, ttl_s=1e12, input_ttl_s=1.0)
    async with opened(path, limits=limits) as store:
        for number in range(1, 301):
            prediction = KeptPrediction(f"p{number}", number)
            store.accept(prediction, lambda _: None)
            prediction.status, prediction.completed_at = "succeeded", 1002.0
            store.finish(prediction, lambda _: None)
        await all_written(store)
        await store.expire()
        assert [(await found(store, name)).input for name in ("p1", "p300")] == [None, None]


@pytest.mark.parametrize(
    "limits",
    [Limits(max_records=2, max_bytes=10**9, ttl_s=1e12), Limits(max_records=9, max_bytes=250, ttl_s=1e12)],
    ids=["number", "bytes"],
)
async def test_the_latest_are_kept_after_the_clock_went_back(path: Path, limits: Limits) -> None:
    async with opened(path, limits=limits) as store:
        for number, completed_at in ((1, 5000.0), (2, 6000.0), (3, 1000.0)):
            prediction = KeptPrediction(f"p{number}", number)
            await write(store.accept, prediction)
            prediction.status, prediction.completed_at = "succeeded", completed_at
            await write(store.finish, prediction)
        await store.expire()
        assert [isinstance(await store.get(f"p{number}"), Record) for number in (1, 2, 3)] == [
            False,
            True,
            True,
        ]


async def test_an_old_one_is_removed_although_an_earlier_one_is_newer(path: Path) -> None:
    limits = Limits(max_records=9, max_bytes=10**9, ttl_s=60.0)
    async with opened(path, limits=limits, clock=lambda: 1062.0) as store:
        slow = KeptPrediction("slow", 1)
        await write(store.accept, slow)
        await finish(store, KeptPrediction("quick", 2))
        slow.status, slow.completed_at = "succeeded", 1050.0
        await write(store.finish, slow)
        await store.expire()
        assert await store.get("quick") == Expired()
        assert isinstance(await store.get("slow"), Record)


async def test_one_whose_webhook_is_due_does_not_count(path: Path) -> None:
    limits = Limits(max_records=2, max_bytes=10**9, ttl_s=1e12)
    async with opened(path, limits=limits) as store:
        for number in (1, 2):
            await finish(store, KeptPrediction(f"due{number}", number, webhook=HOOK))
        await finish(store, KeptPrediction("p", 3))
        await store.expire()
        assert isinstance(await store.get("p"), Record)


# files


async def refused_row(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch, prediction: KeptPrediction
) -> None:
    """Have the row refused whose files are written already."""

    def refuse(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("coglet_supervisor.records.sqlite.rows.insert", refuse)
        with pytest.raises(NotRecorded, match="full"):
            await write(store.accept, prediction)


async def test_a_refused_acceptance_leaves_no_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(path) as store:
        await finish(store, KeptPrediction("kept", 1, input=LARGE))
        await refused_row(store, monkeypatch, KeptPrediction("p", 2, input=LARGE))
        assert files_beside(path) == ["1.input"]


async def test_a_refused_file_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    async with opened(path) as store:
        with monkeypatch.context() as patch:
            patch.setattr("coglet_supervisor.records.sqlite.files.os.fsync", refuse)
            with pytest.raises(NotRecorded, match="No space left"):
                await write(store.accept, KeptPrediction(input=LARGE))
        assert files_beside(path) == []


async def test_a_file_that_cannot_be_removed_does_not_refuse_the_record(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    async with opened(path) as store:
        await finish(store, KeptPrediction(input=LARGE))
        with monkeypatch.context() as patch:
            patch.setattr("pathlib.Path.unlink", refuse)
            await write(store.accept, KeptPrediction(sequence=2, input=LARGE))
        assert bytes((await found(store)).input or b"") == LARGE
    assert "1.input: Permission denied" in caplog.text


async def test_an_end_that_is_written_again_keeps_its_files(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    async with opened(path) as store:
        prediction = KeptPrediction(input=LARGE, output=LARGE)
        await write(store.accept, prediction)
        prediction.status, prediction.completed_at = "succeeded", 1002.0
        with monkeypatch.context() as patch:
            patch.setattr("coglet_supervisor.records.sqlite.rows.update", refuse)
            with pytest.raises(NotRecorded):
                await write(store.finish, prediction)
        assert files_beside(path) == ["1.input"]
        await store.expire()
        await all_written(store)
        assert files_beside(path) == ["1.input", "1.output"]
