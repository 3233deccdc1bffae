"""A slot is free before the end of its prediction is told, and never again once it is poisoned."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from testing.file_work import watched
from testing.waiting import wait_for

from coglet_protocol import slot
from coglet_protocol.errors import ProtocolError
from coglet_protocol.framing import Deframer
from coglet_protocol.limits import MAX_INLINE_BYTES
from coglet_protocol.spill import read_spill
from coglet_supervisor.predictions.data_url_store import DataUrls
from coglet_supervisor.predictions.outputs import Delivery, OutputCollector
from coglet_supervisor.predictions.prediction import Prediction
from coglet_supervisor.predictions.slots import Slot, SlotPool

MAX_BYTES = 1024 * 1024
LARGE = b'"%b"' % (b"x" * MAX_INLINE_BYTES)


class Wire(asyncio.Transport):
    """The socket to the worker."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_aborted = False

    def write(self, data: Any) -> None:
        self.written += data

    def abort(self) -> None:
        self.is_aborted = True

    @property
    def sent(self) -> slot.ToWorker:
        (payload,) = Deframer().feed(self.written)
        return slot.decode_to_worker(payload)


class Owner:
    """The worker process: it notes what the slot tells it."""

    def __init__(self, cancel_grace_s: float | None = None) -> None:
        self.cancel_grace_s = cancel_grace_s
        self.heard: list[str] = []
        self.replaced: asyncio.Queue[str] = asyncio.Queue()

    def cancel(self, slot_id: str, prediction_id: str, sequence: int) -> None:
        self.heard.append(f"cancel {prediction_id} {sequence}")

    def replace(self, reason: str) -> None:
        self.replaced.put_nowait(reason)

    def slot_connected(self, connected: Slot) -> None:
        self.heard.append("connected")

    def slot_idle(self) -> None:
        self.heard.append("idle")

    def prediction_ended(self) -> None:
        self.heard.append("ended")

    def prediction_lost(self) -> None:
        self.heard.append("lost")

    def slot_lost(self, lost: Slot, reason: str) -> None:
        lost.poison(reason)

    def is_worker(self, peer: socket.socket) -> bool:
        return True


class Bench:
    """One slot in its pool."""

    def __init__(self, folder: Path, owner: Owner | None = None) -> None:
        self.folder = folder
        self.owner = owner or Owner()
        self.pool = SlotPool()
        self.slot = Slot(self.pool, self.owner)
        self.wire = Wire()
        self.slot.connected(self.wire)
        self.pool.add(self.slot)
        self.free_at_end: list[int] = []

    @property
    def files(self) -> list[Path]:
        return list(self.folder.iterdir())

    def run(self, input_json: bytes = b"{}", sequence: int = 1) -> Prediction:
        """Runs a prediction on the slot, which must be free."""
        assert self.pool.acquire() is self.slot
        prediction = Prediction("p", "prediction", input_json, context={"a": "b"}, output_is_array=False)
        outputs = OutputCollector(
            prediction,
            self.folder / "1",
            Delivery(
                self.folder,
                DataUrls(MAX_BYTES),
                asyncio.get_running_loop().create_task,
                max_output_bytes=MAX_BYTES,
                max_log_bytes=MAX_BYTES,
            ),
            on_log=lambda *_: None,
            on_end=lambda _: self.free_at_end.append(self.pool.free),
        )
        self.slot.run(outputs, sequence)
        return prediction


async def others_to_end() -> None:
    """Waits until nothing is done in the background any more."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_a_prediction_is_sent_to_the_worker(bench: Bench) -> None:
    prediction = bench.run(b'{"n":1}', sequence=7)
    sent = bench.wire.sent
    assert isinstance(sent, slot.Predict)
    assert (sent.id, sent.input, sent.input_file, sent.sequence) == ("p", b'{"n":1}', None, 7)
    assert sent.context == {"a": "b"}
    assert prediction.status == "processing"
    assert bench.slot.is_busy
    assert bench.pool.acquire() is None


async def test_a_large_input_travels_in_a_file(bench: Bench) -> None:
    with watched() as work:
        prediction = bench.run(LARGE)
        assert (prediction.status, bench.slot.is_busy) == ("processing", True)
        await asyncio.to_thread(wait_for, lambda: bench.wire.written, "frame")
    assert work.is_only_elsewhere("spill_")
    sent = bench.wire.sent
    assert isinstance(sent, slot.Predict)
    assert sent.input is None
    assert read_spill(Path(sent.input_file or "")) == LARGE


async def test_a_cancel_before_a_large_input_is_sent(bench: Bench) -> None:
    prediction = bench.run(LARGE)
    prediction.request_cancel()
    await prediction.wait_terminal()
    assert (prediction.status, bench.wire.written, bench.owner.heard) == ("canceled", b"", [])
    assert bench.free_at_end == [1]
    await others_to_end()
    assert not bench.files


async def test_a_worker_that_dies_before_a_large_input_is_sent(bench: Bench) -> None:
    prediction = bench.run(LARGE)
    bench.slot.poison("the worker died")
    assert (prediction.status, prediction.error) == ("failed", "the worker died")
    await others_to_end()
    assert not bench.files
    assert (bench.wire.written, bench.pool.size) == (b"", 0)


async def test_a_large_input_that_cannot_be_written_fails_and_frees_the_slot(bench: Bench) -> None:
    bench.folder.joinpath("1").write_text("in the way")
    prediction = bench.run(LARGE)
    await prediction.wait_terminal()
    assert prediction.status == "failed"
    assert (prediction.error or "").startswith("Failed to send request: ")
    assert (bench.free_at_end, bench.wire.written) == ([1], b"")


@pytest.mark.parametrize(
    "end",
    [
        slot.Done(id="p", predict_time=0.0, output=b"1"),
        slot.Failed(id="p", error="x"),
        slot.Cancelled(id="p"),
    ],
    ids=["done", "failed", "canceled"],
)
async def test_the_slot_is_free_before_the_end_is_told(bench: Bench, end: slot.FromWorker) -> None:
    bench.run()
    bench.slot.receive(end)
    assert bench.free_at_end == [1]
    assert not bench.slot.is_busy
    assert bench.owner.heard == ["ended"]


async def test_what_the_worker_says_reaches_the_prediction(bench: Bench) -> None:
    prediction = bench.run()
    bench.slot.receive(slot.Log(source="stdout", data="text"))
    bench.slot.receive(slot.Metric(name="m", value=b"1", mode="replace"))
    bench.slot.receive(slot.Output(output=b"1"))
    bench.slot.receive(slot.Output(output=b"2"))
    bench.slot.receive(slot.Done(id="p", predict_time=0.0))
    assert (prediction.logs, prediction.items) == ("text", [b"1", b"2"])
    assert prediction.metrics_with_time()["m"] == 1


async def test_the_end_of_another_prediction_is_no_end(bench: Bench) -> None:
    prediction = bench.run()
    with pytest.raises(ProtocolError, match="end of 'q' while 'p' runs"):
        bench.slot.receive(slot.Done(id="q", predict_time=0.0))
    assert not prediction.is_terminal


async def test_an_idle_slot_ignores_what_it_hears(bench: Bench) -> None:
    bench.slot.receive(slot.Done(id="p", predict_time=0.0))
    assert bench.pool.free == 1


async def test_a_poisoned_slot_is_never_idle_again(bench: Bench) -> None:
    prediction = bench.run()
    bench.slot.poison("the worker died")
    bench.slot.poison("again")
    assert (prediction.status, prediction.error) == ("failed", "the worker died")
    assert bench.wire.is_aborted
    bench.slot.receive(slot.Done(id="p", predict_time=0.0))
    bench.pool.release(bench.slot)
    assert (bench.pool.free, bench.pool.size) == (0, 0)


async def test_an_idle_slot_that_is_lost_is_given_to_nobody(bench: Bench) -> None:
    bench.slot.disconnected()
    assert bench.pool.acquire() is None


async def test_a_retired_slot_ends_what_it_runs_and_takes_no_more(bench: Bench) -> None:
    prediction = bench.run()
    bench.slot.retire()
    bench.slot.receive(slot.Done(id="p", predict_time=0.0, output=b"1"))
    assert prediction.status == "succeeded"
    assert bench.owner.heard == ["idle", "ended"]
    assert bench.pool.acquire() is None


async def test_a_cancel_names_the_prediction(bench: Bench) -> None:
    prediction = bench.run(sequence=7)
    prediction.request_cancel()
    assert bench.owner.heard == ["cancel p 7"]
    assert bench.slot.is_busy


async def test_a_cancel_that_is_ignored_costs_the_worker(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Owner(cancel_grace_s=0.01))
    bench.run().request_cancel()
    assert await bench.owner.replaced.get() == "prediction p ignored its cancel for 0.01 s"


def test_the_slot_that_was_free_longest_is_next() -> None:
    pool, owner = SlotPool(), Owner()
    first, second = Slot(pool, owner), Slot(pool, owner)
    pool.add(first)
    pool.add(second)
    assert pool.acquire() is first
    pool.release(first)
    assert pool.acquire() is second
    assert (pool.size, pool.free) == (2, 1)
