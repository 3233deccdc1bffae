"""A slot is free before the end of its prediction is reported, and is never free once it is poisoned."""

import asyncio
from pathlib import Path

import pytest
from testing.file_work import watched
from testing.waiting import wait_for
from tests.supervisor.fakes import Owner
from tests.supervisor.running import Bench, others_to_end

from coglet_protocol import slot
from coglet_protocol.errors import ProtocolError
from coglet_protocol.limits import MAX_INLINE_BYTES
from coglet_protocol.spill import read_spill
from coglet_supervisor.predictions.slots import Slot, SlotPool

LARGE = b'"%b"' % (b"x" * MAX_INLINE_BYTES)


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_a_prediction_is_sent_to_the_worker(bench: Bench) -> None:
    run = bench.run(7, input_json=b'{"n":1}', context={"a": "b"})
    sent = bench.wire.sent
    assert (sent.id, sent.input, sent.input_file, sent.sequence) == ("p", b'{"n":1}', None, 7)
    assert sent.context == {"a": "b"}
    assert run.prediction.status == "processing"
    assert bench.slot.is_busy
    assert bench.pool.acquire() is None


async def test_a_large_input_is_sent_in_a_file(bench: Bench) -> None:
    with watched() as work:
        prediction = bench.run(input_json=LARGE).prediction
        assert (prediction.status, bench.slot.is_busy) == ("processing", True)
        await asyncio.to_thread(wait_for, lambda: bench.wire.written, "frame")
    assert work.is_only_elsewhere("spill_")
    sent = bench.wire.sent
    assert sent.input is None
    assert read_spill(Path(sent.input_file or "")) == LARGE


async def test_a_cancel_before_a_large_input_is_sent(bench: Bench) -> None:
    run = bench.run(input_json=LARGE)
    prediction = run.prediction
    run.cancel()
    await prediction.wait_terminal()
    assert (prediction.status, bench.wire.written, bench.owner.heard) == ("canceled", b"", [])
    assert bench.free_at_end == [1]
    await others_to_end()
    assert not bench.files


async def test_a_worker_that_dies_before_a_large_input_is_sent(bench: Bench) -> None:
    prediction = bench.run(input_json=LARGE).prediction
    bench.slot.poison("the worker died")
    assert (prediction.status, prediction.error) == ("failed", "the worker died")
    await others_to_end()
    assert not bench.files
    assert (bench.wire.written, bench.pool.size) == (b"", 0)


async def test_a_large_input_that_cannot_be_written_fails_and_frees_the_slot(bench: Bench) -> None:
    bench.folder.joinpath("1").write_text("not a folder")
    prediction = bench.run(input_json=LARGE).prediction
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
async def test_the_slot_is_free_before_the_end_is_reported(bench: Bench, end: slot.FromWorker) -> None:
    bench.run()
    bench.slot.receive(end)
    assert bench.free_at_end == [1]
    assert not bench.slot.is_busy
    assert bench.owner.heard == ["ended"]


async def test_messages_of_the_worker_reach_the_prediction(bench: Bench) -> None:
    prediction = bench.run().prediction
    bench.slot.receive(slot.Log(source="stdout", data="text"))
    bench.slot.receive(slot.Metric(name="m", value=b"1", mode="replace"))
    bench.slot.receive(slot.Output(output=b"1"))
    bench.slot.receive(slot.Output(output=b"2"))
    bench.slot.receive(slot.Done(id="p", predict_time=0.0))
    assert (prediction.logs, prediction.items) == ("text", [b"1", b"2"])
    assert prediction.metrics["m"] == 1


async def test_the_end_of_another_prediction_is_a_protocol_error(bench: Bench) -> None:
    prediction = bench.run().prediction
    with pytest.raises(ProtocolError, match="end of 'q' while 'p' runs"):
        bench.slot.receive(slot.Done(id="q", predict_time=0.0))
    assert not prediction.is_terminal


async def test_an_idle_slot_ignores_messages(bench: Bench) -> None:
    bench.slot.receive(slot.Done(id="p", predict_time=0.0))
    assert bench.pool.free == 1


async def test_a_poisoned_slot_is_never_idle_again(bench: Bench) -> None:
    prediction = bench.run().prediction
    bench.slot.poison("the worker died")
    bench.slot.poison("again")
    assert (prediction.status, prediction.error) == ("failed", "the worker died")
    assert bench.wire.is_aborted
    bench.slot.receive(slot.Done(id="p", predict_time=0.0))
    bench.pool.release(bench.slot)
    assert (bench.pool.free, bench.pool.size) == (0, 0)


async def test_a_lost_idle_slot_is_not_acquired(bench: Bench) -> None:
    bench.slot.disconnected()
    assert bench.pool.acquire() is None


async def test_a_retired_slot_finishes_its_prediction_and_accepts_no_other(bench: Bench) -> None:
    prediction = bench.run().prediction
    bench.slot.retire()
    bench.slot.receive(slot.Done(id="p", predict_time=0.0, output=b"1"))
    assert prediction.status == "succeeded"
    assert bench.owner.heard == ["idle", "ended"]
    assert bench.pool.acquire() is None


async def test_a_cancel_names_the_prediction(bench: Bench) -> None:
    bench.run(7).cancel()
    assert bench.owner.heard == ["cancel p 7"]
    assert bench.slot.is_busy


async def test_a_worker_that_ignores_a_cancel_is_replaced(tmp_path: Path) -> None:
    bench = Bench(tmp_path, owner=Owner(cancel_grace_s=0.01))
    bench.run().cancel()
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
