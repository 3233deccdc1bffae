"""Outputs keep the order of the model, however long the delivery of files takes (runtime.md 6.4)."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest
from testing.file_work import watched
from testing.waiting import wait_for
from tests.supervisor.running import Bench

from coglet_protocol import slot
from coglet_protocol.errors import ProtocolError
from coglet_supervisor.predictions.data_url_store import DataUrls
from coglet_supervisor.predictions.outputs import INVALID_JSON, OUTPUT_LOST, OutputFailed

MAX_BYTES = 10_000


class Store:
    """A store in which the test decides when each file is delivered, one after the other."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[tuple[str, asyncio.Future[bytes]]] = asyncio.Queue()

    async def deliver(self, file: Path, name: str, prediction_id: str) -> bytes:
        url: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.asked.put_nowait((name, url))
        return await url

    async def finish(self, url: str) -> str:
        """Finish the next delivery with this URL; return the name of the file."""
        name, future = await self.asked.get()
        future.set_result(msgspec.json.encode(url))
        return name

    async def fail(self, error: Exception) -> None:
        _, future = await self.asked.get()
        future.set_exception(error)


class Running:
    """A running prediction, and the messages of its worker."""

    def __init__(self, folder: Path, tasks: asyncio.TaskGroup) -> None:
        self.folder = folder / "1"
        self.store = Store()
        self.deliveries: list[asyncio.Task[None]] = []
        self._tasks = tasks
        self.bench = Bench(
            folder,
            store=self.store,
            start_task=self._start_task,
            max_output_bytes=MAX_BYTES,
            timeout_s=3600.0,
        )
        self.run = self.bench.run(output_is_array=True)
        self.prediction = self.run.prediction

    def _start_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self.deliveries.append(self._tasks.create_task(work))
        return self.deliveries[-1]

    @property
    def cancels(self) -> int:
        """How often the worker was sent a cancel."""
        return self.bench.owner.cancels

    @property
    def ended(self) -> list[str]:
        """The terminal status, once per report of the end."""
        return [self.prediction.status] * len(self.bench.free_at_end)

    def receive(self, message: slot.FromWorker) -> None:
        self.bench.slot.receive(message)

    def lose_worker(self, reason: str = "gone") -> None:
        self.bench.slot.poison(reason)

    def item(self, text: bytes, index: int = 0) -> None:
        self.receive(slot.Output(output=text, index=index))

    def file(self, name: str, index: int = 0, placeholder: str | None = None) -> Path:
        """Receive a file of the model; return its path."""
        self.folder.mkdir(exist_ok=True)
        path = self.folder / name
        path.write_text(name)
        self.receive(
            slot.FileOutput(filename=str(path), kind="file_type", index=index, placeholder=placeholder)
        )
        return path

    def done(self, output: bytes | None = None) -> None:
        self.receive(slot.Done(id="p", predict_time=0.0, output=output))

    @property
    def output(self) -> Any:
        raw = self.prediction.output
        return None if raw is None else msgspec.json.decode(raw)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with asyncio.TaskGroup() as tasks:
        yield Running(tmp_path, tasks)


async def test_without_files_nothing_waits(running: Running) -> None:
    running.item(b"1")
    running.item(b"2")
    running.done()
    assert (running.output, running.ended) == ([1, 2], ["succeeded"])


async def test_what_follows_a_file_waits_for_it(running: Running) -> None:
    running.item(b"1")
    running.file("a.txt")
    running.item(b"2")
    running.done(b"3")
    assert (running.output, running.ended) == ([1], [])
    await running.store.finish("url")
    await running.prediction.wait_terminal()
    assert (running.output, running.ended) == ([1, "url", 2, 3], ["succeeded"])


async def test_logs_do_not_wait_for_files(running: Running) -> None:
    running.file("a.txt")
    running.receive(slot.Log(source="stdout", data="text"))
    assert (running.prediction.logs, running.bench.echoed) == ("text", ["text"])
    running.lose_worker()


async def test_files_inside_a_value_replace_their_placeholders(running: Running) -> None:
    running.file("a.txt", placeholder="{a}")
    running.file("b.txt", placeholder="{b}")
    running.item(b'{"x":"{a}","y":["{b}"]}')
    running.done()
    assert await running.store.finish("one") == "a.txt"
    assert await running.store.finish("two") == "b.txt"
    await running.prediction.wait_terminal()
    assert running.output == [{"x": "one", "y": ["two"]}]


async def test_a_delivered_file_is_deleted(running: Running) -> None:
    path = running.file("a.txt")
    running.done()
    await running.store.finish("url")
    await running.prediction.wait_terminal()
    assert not path.exists()
    assert not running.folder.exists()


async def test_a_file_that_cannot_be_delivered_fails_the_prediction(running: Running) -> None:
    running.file("a.txt")
    running.item(b"2")
    await running.store.fail(OutputFailed("no room"))
    await asyncio.wait(running.deliveries)
    running.receive(slot.Cancelled(id="p"))
    assert (running.prediction.status, running.prediction.error) == ("failed", "no room")
    assert (running.output, running.ended) == (None, ["failed"])


async def test_a_file_that_cannot_be_delivered_after_the_end_fails_it_too(running: Running) -> None:
    running.file("a.txt")
    running.done()
    await running.store.fail(OutputFailed("no room"))
    await asyncio.wait(running.deliveries)
    assert (running.prediction.error, running.ended) == ("no room", ["failed"])


async def test_a_bug_in_a_delivery_fails_the_prediction(running: Running) -> None:
    running.file("a.txt")
    running.done()
    await running.store.fail(KeyError("nothing expects this"))
    await asyncio.wait(running.deliveries)
    assert (running.prediction.error, running.ended) == (OUTPUT_LOST, ["failed"])


async def test_a_cancel_goes_to_the_worker_while_it_runs(running: Running) -> None:
    running.run.cancel()
    assert (running.cancels, running.ended) == (1, [])
    running.receive(slot.Cancelled(id="p"))
    assert running.ended == ["canceled"]


async def test_a_cancel_while_files_are_delivered_ends_it_immediately(running: Running) -> None:
    running.file("a.txt")
    running.done()
    name, url = await running.store.asked.get()
    running.run.cancel()
    assert (running.cancels, running.ended) == (0, ["canceled"])
    await asyncio.wait([url])
    assert (name, url.cancelled()) == ("a.txt", True)
    await asyncio.to_thread(wait_for, lambda: not running.folder.exists(), "end of the folder")


async def test_remaining_files_are_removed_in_a_thread(running: Running) -> None:
    running.file("a.txt")
    with watched() as work:
        running.lose_worker()
        await asyncio.to_thread(wait_for, lambda: not running.folder.exists(), "end of the folder")
    assert work.is_only_elsewhere(str(running.folder))


async def test_a_cancel_that_comes_too_late_changes_nothing(running: Running) -> None:
    running.run.cancel()
    running.item(b"1")
    running.done()
    assert running.ended == ["succeeded"]


async def test_a_lost_worker_fails_a_prediction_with_queued_output(running: Running) -> None:
    running.file("a.txt")
    running.item(b"2")
    running.lose_worker("Worker died")
    assert (running.prediction.error, running.ended) == ("Worker died", ["failed"])


async def test_losing_the_worker_after_a_cancel_is_a_cancel(running: Running) -> None:
    running.run.cancel()
    running.lose_worker("killed")
    assert (running.prediction.error, running.ended) == (None, ["canceled"])


@pytest.mark.parametrize(
    "end", [slot.Cancelled(id="p"), slot.Failed(id="p", error="x")], ids=["canceled", "failed"]
)
async def test_a_prediction_over_its_time_limit_fails(running: Running, end: Any) -> None:
    running.run.time_out()
    assert running.cancels == 1
    running.receive(end)
    assert running.prediction.status == "failed"
    assert running.prediction.error == "Prediction timed out after 3600 seconds"


async def test_an_oversized_item_comes_from_its_file(running: Running) -> None:
    running.folder.mkdir()
    spilled = running.folder / "spill"
    spilled.write_bytes(b'["large"]')
    with watched() as work:
        running.receive(slot.FileOutput(filename=str(spilled), kind="oversized"))
        running.done()
        await running.prediction.wait_terminal()
    assert running.output == [["large"]]
    assert work.is_only_elsewhere(str(spilled))


@pytest.mark.parametrize("filename", ["/dev/zero", "1/x", "../x"])
async def test_a_file_outside_of_its_folder_is_a_protocol_error(running: Running, filename: str) -> None:
    with pytest.raises(ProtocolError, match="file output outside of 1"):
        running.receive(slot.FileOutput(filename=filename, kind="oversized"))
    running.lose_worker()


async def test_a_missing_oversized_item_fails_the_prediction(running: Running) -> None:
    running.receive(slot.FileOutput(filename=str(running.folder / "gone"), kind="oversized"))
    running.done()
    await running.prediction.wait_terminal()
    assert (running.prediction.error or "").startswith("Failed to read output: ")


async def test_an_endless_output_is_stopped_and_freed(running: Running) -> None:
    for _ in range(20):
        running.item(b'"%b"' % (b"x" * 1000))
    assert (running.cancels, running.output) == (1, None)
    running.receive(slot.Cancelled(id="p"))
    assert running.prediction.status == "failed"
    assert running.prediction.error == f"Output is larger than {MAX_BYTES} bytes (COG_MAX_OUTPUT_BYTES)"


async def test_small_items_count_with_their_overhead(running: Running) -> None:
    for _ in range(MAX_BYTES // 60):
        running.item(b"1")
    assert running.cancels == 1
    running.lose_worker()


async def test_an_output_that_is_too_large_at_its_end_fails(running: Running) -> None:
    running.done(b'"%b"' % (b"x" * MAX_BYTES))
    assert (running.ended, running.output) == (["failed"], None)


async def test_appended_metrics_count_as_output(running: Running) -> None:
    for _ in range(MAX_BYTES):
        running.receive(slot.Metric(name="last", value=b"1", mode="replace"))
    assert running.cancels == 0
    for _ in range(MAX_BYTES // 60):
        running.receive(slot.Metric(name="all", value=b"1", mode="append"))
    assert running.cancels == 1
    running.lose_worker()


async def test_files_sent_inline_count(running: Running) -> None:
    for _ in range(2):
        running.file("a.txt")
        await running.store.finish("x" * (MAX_BYTES // 2))
    await asyncio.to_thread(wait_for, lambda: running.cancels, "cancel")
    assert running.output is None
    running.lose_worker()


async def test_an_oversized_item_that_is_too_large_is_never_read(running: Running) -> None:
    running.folder.mkdir()
    path = running.folder / "spilled"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    running.receive(slot.FileOutput(filename=str(path), kind="oversized"))
    running.done()
    await running.prediction.wait_terminal()
    assert "COG_MAX_OUTPUT_BYTES" in (running.prediction.error or "")


async def test_a_file_that_is_too_large_is_not_sent_inline(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OutputFailed, match="COG_MAX_OUTPUT_BYTES"):
        await DataUrls(MAX_BYTES).deliver(path, "large", "p")


BROKEN = [
    b"NaN",
    b'1,"status":"canceled"',
    b'{"a":1}{"b":2}',
    b"",
    b'{"a":[1,NaN]}',
    b'"\xff"',
    b"[" * 9_000,
]


@pytest.mark.parametrize("text", BROKEN, ids=lambda text: repr(text[:12]))
@pytest.mark.parametrize("way", ["item", "end", "file"])
async def test_invalid_json_never_reaches_the_client(running: Running, text: bytes, way: str) -> None:
    if way == "item":
        running.item(text)
    elif way == "file":
        running.folder.mkdir()
        path = running.folder / "a"
        path.write_bytes(text)
        running.receive(slot.FileOutput(filename=str(path), kind="oversized"))
    running.done(text if way == "end" else None)
    await running.prediction.wait_terminal()
    assert (running.prediction.status, running.prediction.error) == ("failed", INVALID_JSON)


async def test_a_metric_with_invalid_json_fails_the_prediction(running: Running) -> None:
    running.receive(slot.Metric(name="a", value=b"NaN", mode="replace"))
    running.done()
    assert running.prediction.error == INVALID_JSON
