"""records.md 4: the SQLite file: what survives, and which files a server refuses."""

import asyncio
import sqlite3
from pathlib import Path

import msgspec
import pytest
from tests.supervisor.kept import KeptPrediction
from tests.supervisor.running import end, new_prediction
from tests.supervisor.stored import LARGE, LIMITS, files_beside, finish, found, opened, write

from coglet_supervisor.errors import StartupError
from coglet_supervisor.predictions.hook import Hook
from coglet_supervisor.predictions.record import NotRecorded, OnWritten, Record
from coglet_supervisor.predictions.stream import PredictionStream
from coglet_supervisor.predictions.validation import Document, Validation
from coglet_supervisor.records.sqlite.database import MIGRATIONS
from coglet_supervisor.records.sqlite.files import MAX_ROW_BYTES
from coglet_supervisor.records.sqlite.store import SqliteStore
from coglet_supervisor.records.store import Expired, Limits

KEY = {"type": "string", "format": "password", "x-cog-secret": True}
SECRETS: Document = {
    "components": {"schemas": {"Input": {"type": "object", "properties": {"key": KEY, "n": {}}}}}
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


def leave_file(path: Path, name: str) -> None:
    """Leave what a server leaves that is killed before its record refers to the file."""
    (path.with_name("records.db.files") / name).write_bytes(b"half")


async def test_records_survive(path: Path) -> None:
    async with opened(path) as store:
        assert store.last_sequence == 0
        await finish(store, KeptPrediction("ended", 1))
        await write(store.accept, KeptPrediction("waiting", 7))
    async with opened(path) as store:
        assert store.last_sequence == 7
        assert (await found(store, "ended")).output is not None
        assert [record.id for record in await store.unfinished(0, 10)] == ["waiting"]


async def test_what_an_earlier_server_has_left_comes_in_order_and_in_steps(path: Path) -> None:
    hook = Hook("http://receiver.test", ("completed",), {"traceparent": "00"})
    async with opened(path) as store:
        for number in (3, 1, 2):
            await write(store.accept, KeptPrediction(f"p{number}", number, webhook=hook, is_detached=True))
        first = await store.unfinished(0, 2)
        assert [record.id for record in first] == ["p1", "p2"]
        (last,) = await store.unfinished(2, 2)
        assert (last.webhook, last.is_detached, bytes(last.input or b"")) == (hook, True, b'{"n":1}')
        assert await store.unfinished(3, 2) == []


async def test_a_start_counts_as_an_attempt(path: Path) -> None:
    async with opened(path) as store:
        prediction = KeptPrediction()
        await write(store.accept, prediction)
        prediction.status, prediction.started_at, prediction.attempt = "processing", 1001.0, 1
        await write(store.start, prediction)
    async with opened(path) as store:
        (record,) = await store.unfinished(0, 1)
        assert (record.status, record.attempt) == ("processing", 1)
        assert record.started_at is not None


async def test_a_terminal_webhook_is_due_until_it_is_delivered(path: Path) -> None:
    async with opened(path) as store:
        await finish(store, KeptPrediction("end", 1, webhook=Hook("http://r.test", ("completed",))))
        await finish(store, KeptPrediction("start", 2, webhook=Hook("http://r.test", ("start",))))
        await finish(store, KeptPrediction("none", 3))
        assert [record.id for record in await store.undelivered(0, 10)] == ["end"]
        store.webhook_delivered("end", 1000.5)
        await write(store.accept, KeptPrediction("later", 4))
        assert await store.undelivered(0, 10) == []


async def test_a_late_end_does_not_change_the_next_run_of_its_id(path: Path) -> None:
    async with opened(path) as store:
        first = KeptPrediction(sequence=1)
        await write(store.accept, first)
        await write(store.accept, KeptPrediction(sequence=2))
        first.status, first.completed_at = "failed", 1003.0
        await write(store.finish, first)
        record = await found(store)
        assert (record.sequence, record.status) == (2, "starting")


async def test_large_values_lie_in_files_and_go_with_their_record(path: Path) -> None:
    async with opened(path) as store:
        prediction = KeptPrediction(input=LARGE)
        await write(store.accept, prediction)
        assert files_beside(path) == ["1.input"]
        prediction.status, prediction.completed_at, prediction.output = "succeeded", 1002.0, LARGE
        await write(store.finish, prediction)
        assert files_beside(path) == ["1.input", "1.output"]
        record = await found(store)
        assert bytes(record.input or b"") == bytes(record.output or b"") == LARGE
        await store.delete("p")
        assert files_beside(path) == []


async def test_files_of_an_earlier_run_go_with_it(path: Path) -> None:
    async with opened(path) as store:
        await finish(store, KeptPrediction(input=LARGE))
        await write(store.accept, KeptPrediction(sequence=2, input=LARGE))
        assert files_beside(path) == ["2.input"]


async def test_files_to_which_no_record_refers_are_removed_at_the_start(path: Path) -> None:
    async with opened(path) as store:
        await finish(store, KeptPrediction(input=LARGE))
    leave_file(path, "9.output")
    async with opened(path) as store:
        assert files_beside(path) == ["1.input"]
        assert bytes((await found(store)).input or b"") == LARGE


@pytest.mark.parametrize("n", [1, "x" * MAX_ROW_BYTES], ids=["small", "large"])
async def test_secrets_are_kept_only_until_the_end(path: Path, n: object) -> None:
    given = msgspec.json.encode({"key": "hidden", "n": n})
    async with opened(path, SECRETS) as store:
        prediction = KeptPrediction(input=given)
        await write(store.accept, prediction)
        (waiting,) = await store.unfinished(0, 1)
        assert bytes(waiting.input or b"") == given
        prediction.status, prediction.completed_at = "succeeded", 1002.0
        await write(store.finish, prediction)
        record = await found(store)
        assert record.was_accepted_with(given)
        assert not record.was_accepted_with(given.replace(b"hidden", b"guess!"))
    assert all(b"hidden" not in file.read_bytes() for file in path.parent.rglob("*.files/*"))
    assert b"hidden" not in bytes(record.input or b"")


async def test_events_can_be_read_by_the_next_server(path: Path) -> None:
    stream = PredictionStream(history=3)
    prediction = new_prediction([stream], output_is_array=True)
    prediction.start()
    for number in range(4):
        prediction.produce(b"%d" % number)
    async with opened(path) as store:
        kept = KeptPrediction(stream=stream)
        await finish(store, kept)
    end(prediction, "succeeded")
    async with opened(path) as store:
        restored = await store.stream("p")
        assert restored is not None
        chunks = [restored.subscribe(), stream.subscribe()]
        texts = [[await chunk.next_chunk() for _ in range(2)] for chunk in chunks]
    assert texts[0][0] == texts[1][0]  # the gap
    before_the_end = [(text[1] or b"").rpartition(b"id: ")[0] for text in texts]
    assert before_the_end[0] == before_the_end[1] != b""
    assert b"event: completed" in (texts[0][1] or b"")


async def test_old_records_are_removed_in_steps(path: Path) -> None:
    async with opened(path) as store:
        for number in range(30):
            await finish(store, KeptPrediction(f"p{number}", number, input=LARGE if number == 5 else b"{}"))
        await store.expire()
        assert await store.get("p5") == Expired()
        assert files_beside(path) == []
    async with opened(path) as store:
        assert await store.get("p19") == Expired()
        assert isinstance(await store.get("p20"), Record)
        assert store.last_sequence == 29


async def test_the_file_of_an_input_is_removed_with_it(path: Path) -> None:
    limits = Limits(max_records=10, max_bytes=10**9, ttl_s=1e12, input_ttl_s=1.0)
    async with opened(path, limits=limits) as store:
        prediction = KeptPrediction(input=LARGE, output=LARGE)
        await write(store.accept, prediction)
        prediction.status, prediction.completed_at = "succeeded", 1002.0
        await write(store.finish, prediction)
        await store.expire()
        assert files_beside(path) == ["1.output"]
        record = await found(store)
        assert (record.is_data_removed, bytes(record.output or b"")) == (True, LARGE)


async def test_one_whose_webhook_is_due_is_not_removed(path: Path) -> None:
    async with opened(path) as store:
        await finish(store, KeptPrediction("due", 0, webhook=Hook("http://r.test", ("completed",))))
        for number in range(1, 20):
            await finish(store, KeptPrediction(f"p{number}", number))
        await store.expire()
        assert isinstance(await store.get("due"), Record)


# files that cannot be used


def refused(path: Path) -> str:
    with pytest.raises(StartupError) as error:
        SqliteStore(path, LIMITS, lambda: Validation(None, ignore_unknown=False))
    return str(error.value)


async def test_a_second_server_on_one_file(path: Path) -> None:
    async with opened(path):
        assert refused(path) == (
            f"the records in {path} are in use by another server; stop it, or use another file"
        )
    async with opened(path):
        pass


def damage(path: Path, content: bytes | None) -> bytes:
    """Overwrite the file, or some of its pages. Return its content."""
    whole = path.read_bytes()
    path.write_bytes(content or whole[:4096] + b"\xff" * 8192 + whole[12288:])
    return path.read_bytes()


def bytes_of(path: Path) -> bytes:
    return path.read_bytes()


@pytest.mark.parametrize("content", [b"not a database" * 100, None], ids=["other", "damaged"])
async def test_a_damaged_file(path: Path, content: bytes | None) -> None:
    async with opened(path) as store:
        for number in range(50):
            await finish(store, KeptPrediction(f"p{number}", number, input=b'"%b"' % (b"x" * 500)))
    damaged = damage(path, content)
    text = refused(path)
    assert text.startswith(f"the records in {path} are damaged (")
    assert text.endswith("restore them from a backup, or move the file away to start without them")
    assert bytes_of(path) == damaged


async def test_a_file_of_a_newer_release(path: Path) -> None:
    async with opened(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    assert "were written by a newer release" in refused(path)


async def test_a_file_of_another_program(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE cats (name TEXT)")
    connection.close()
    assert refused(path) == f"{path} is a database of another program; name another file in COG_RECORDS"


async def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    text = refused(tmp_path / "none" / "records.db")
    assert "No such file or directory" in text
    assert text.endswith("correct COG_RECORDS")


def test_a_file_that_is_a_folder(path: Path) -> None:
    path.mkdir()
    assert refused(path).startswith(f"cannot open the records in {path}: ")


async def test_a_full_disk_refuses_new_predictions_and_keeps_what_there_is(path: Path) -> None:
    async with opened(path) as store:
        await finish(store, KeptPrediction("kept", 1))
        with sqlite3.connect(path) as connection:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.close()
        store._database.writing.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(NotRecorded, match="full"):
            await write(store.accept, KeptPrediction("large", 2, input=b'"%b"' % (b"x" * 500_000)))
        assert (await found(store, "kept")).status == "succeeded"


async def test_of_many_writes_together_only_the_faulty_one_fails(path: Path) -> None:
    async with opened(path) as store:
        results: dict[str, NotRecorded | None] = {}
        everything = asyncio.Event()

        def on_written(name: str) -> OnWritten:
            def note(error: NotRecorded | None) -> None:
                results[name] = error
                if len(results) == 20:
                    everything.set()

            return note

        for number in range(20):
            name = f"p{number}"
            status = "starting" if number != 7 else object()
            store.accept(KeptPrediction(name, number, status=status), on_written(name))  # type: ignore[arg-type]
        await everything.wait()
        assert {name for name, error in results.items() if error is not None} == {"p7"}
        assert isinstance(await store.get("p8"), Record)
