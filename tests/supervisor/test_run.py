"""How a run ends: with its worker, its time limit, a cancel, or the last reader of its events."""

import gc
import weakref
from pathlib import Path

import pytest
from tests.supervisor.running import Bench, others_to_end

from coglet_protocol import slot
from coglet_protocol.limits import MAX_INLINE_BYTES

LARGE = b'"%b"' % (b"x" * MAX_INLINE_BYTES)
CANCELED = slot.Cancelled(id="p")
DONE = slot.Done(id="p", predict_time=0.0, output=b"1")


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, timeout_s=3600.0)


async def test_a_cancel_reaches_the_worker_once(bench: Bench) -> None:
    run = bench.run(7)
    run.cancel()
    run.cancel()
    assert bench.owner.heard == ["cancel p 7"]
    assert not run.prediction.is_terminal
    bench.slot.receive(CANCELED)
    assert run.prediction.status == "canceled"


async def test_after_the_end_nothing_is_asked_of_the_worker(bench: Bench) -> None:
    run = bench.run()
    bench.slot.receive(DONE)
    following = bench.run(2, id="q")
    run.cancel()
    run.time_out()
    run.fail("late")
    assert bench.owner.cancels == 0
    assert (run.prediction.status, following.prediction.status) == ("succeeded", "processing")
    assert bench.free_at_end == [1]


async def test_a_time_limit_ends_it_when_the_worker_has_stopped(tmp_path: Path) -> None:
    bench = Bench(tmp_path, timeout_s=0.001)
    run = bench.run()
    assert not await run.prediction.wait_terminal(0.1)
    assert bench.owner.cancels == 1
    bench.slot.receive(DONE)
    assert (run.prediction.status, run.prediction.error) == (
        "failed",
        "Prediction timed out after 0.001 seconds",
    )


async def test_a_time_limit_counts_no_longer_than_the_prediction(tmp_path: Path) -> None:
    bench = Bench(tmp_path, timeout_s=0.01)
    bench.run()
    bench.slot.receive(DONE)
    following = bench.run(2, id="q")
    await following.prediction.wait_terminal(0.1)
    assert bench.owner.heard == ["ended", "cancel q 2"]


async def test_a_time_limit_while_a_large_input_is_written(bench: Bench) -> None:
    run = bench.run(input_json=LARGE)
    run.time_out()
    await run.prediction.wait_terminal()
    assert (run.prediction.status, bench.wire.written, bench.owner.cancels) == ("failed", b"", 0)
    await others_to_end()
    assert not bench.files


async def test_a_prediction_too_large_for_a_frame_fails_and_frees_the_slot(bench: Bench) -> None:
    run = bench.run(context={"a": "x" * 64 * MAX_INLINE_BYTES})
    assert run.prediction.status == "failed"
    assert (run.prediction.error or "").startswith("Failed to send request: ")
    assert bench.free_at_end == [1]


async def test_a_lost_worker_fails_it(bench: Bench) -> None:
    run = bench.run()
    bench.slot.poison("Worker died")
    assert (run.prediction.status, run.prediction.error) == ("failed", "Worker died")


async def test_losing_the_worker_after_a_cancel_ends_it_as_canceled(bench: Bench) -> None:
    run = bench.run()
    run.cancel()
    bench.slot.poison("Worker died")
    assert (run.prediction.status, run.prediction.error) == ("canceled", None)


@pytest.mark.parametrize("ends_with_readers", [True, False])
async def test_the_last_reader_may_end_it(bench: Bench, ends_with_readers: bool) -> None:
    run = bench.run(is_streaming=True, ends_with_readers=ends_with_readers)
    first, second = run.subscribe(None), run.subscribe(None)
    run.unsubscribe(first)
    assert bench.owner.cancels == 0
    run.unsubscribe(second)
    assert bench.owner.cancels == int(ends_with_readers)


async def test_a_run_without_a_stream_cannot_be_subscribed(bench: Bench) -> None:
    assert not bench.run().is_streaming


async def test_an_ended_run_leaves_memory_without_the_garbage_collector(bench: Bench) -> None:
    run = bench.run(is_streaming=True)
    reader = run.subscribe(None)
    bench.slot.receive(slot.Output(output=b'"large"'))
    run.unsubscribe(reader)
    bench.slot.receive(slot.Done(id="p", predict_time=0.0, is_stream=True))
    gone = weakref.ref(run)
    gc.disable()
    try:
        del run
        assert gone() is None
    finally:
        gc.enable()
