"""How a run ends: with its worker, its time limit, a cancel, or the last reader of its events."""

import gc
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
from testing.waiting import wait_until
from tests.supervisor.kept import SlowStore
from tests.supervisor.running import Bench, others_to_end

from coglet_protocol import slot
from coglet_protocol.limits import MAX_INLINE_BYTES
from coglet_supervisor.predictions.record import NotRecorded

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
    assert bench.run().stream is None


async def test_an_ended_run_leaves_memory_without_the_garbage_collector(bench: Bench) -> None:
    run = bench.run(is_streaming=True)
    reader = run.subscribe(None)
    bench.slot.receive(slot.Output(output=b'"large"'))
    run.unsubscribe(reader)
    bench.slot.receive(slot.Done(id="p", predict_time=0.0, is_stream=True))
    await bench.records.delete("p")
    gone = weakref.ref(run)
    gc.disable()
    try:
        del run
        assert gone() is None
    finally:
        gc.enable()


async def test_a_run_waits_for_a_slot_and_starts_on_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, queue_size=2)
    bench.run(1, id="first")
    waiting = bench.new_run(2)
    bench.pool.queue.add(waiting)
    waiting.accept()
    assert (waiting.prediction.status, waiting.prediction.started_at) == ("starting", None)
    bench.slot.receive(slot.Done(id="first", predict_time=0.0))
    assert waiting.prediction.started_at is not None
    assert (bench.pool.free, len(bench.pool.queue)) == (0, 0)
    bench.slot.receive(DONE)
    assert (waiting.prediction.status, bench.pool.free) == ("succeeded", 1)


async def test_a_run_that_is_canceled_while_it_waits_has_never_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path, queue_size=2)
    bench.run(1, id="first")
    waiting = bench.new_run(2)
    bench.pool.queue.add(waiting)
    waiting.accept()
    waiting.cancel()
    assert (waiting.prediction.status, waiting.prediction.started_at) == ("canceled", None)
    assert waiting.prediction.metrics == {"predict_time": 0.0}
    assert (bench.owner.cancels, len(bench.pool.queue)) == (0, 0)
    bench.slot.receive(slot.Done(id="first", predict_time=0.0))
    assert bench.pool.free == 1


async def test_a_run_that_waits_too_long_fails(tmp_path: Path) -> None:
    bench = Bench(tmp_path, queue_size=2, queue_timeout_s=0.01)
    bench.run(1, id="first")
    waiting = bench.new_run(2)
    bench.pool.queue.add(waiting)
    waiting.accept()
    await waiting.prediction.wait_terminal()
    assert waiting.prediction.error == "Prediction waited 0.01 seconds in the queue, which is the limit"
    assert (waiting.is_overdue, len(bench.pool.queue)) == (True, 0)


async def test_the_time_limit_does_not_count_the_time_in_the_queue(tmp_path: Path) -> None:
    bench = Bench(tmp_path, queue_size=2, queue_timeout_s=0.02, timeout_s=3600.0)
    bench.run(1, id="first")
    waiting = bench.new_run(2)
    bench.pool.queue.add(waiting)
    waiting.accept()
    bench.slot.receive(slot.Done(id="first", predict_time=0.0))
    assert not await waiting.prediction.wait_terminal(0.05)
    assert not waiting.is_overdue


async def test_a_large_input_waits_in_a_file(tmp_path: Path) -> None:
    bench = Bench(tmp_path, queue_size=2)
    bench.run(1, id="first")
    waiting = bench.new_run(2, input_json=LARGE)
    bench.pool.queue.add(waiting)
    waiting.accept()
    await others_to_end()
    assert waiting.input.json is None
    (folder,) = bench.files
    (file,) = folder.iterdir()
    assert file.read_bytes() == LARGE
    assert waiting.recorded.record().is_data_removed
    bench.slot.receive(slot.Done(id="first", predict_time=0.0))
    sent = bench.wire.all_sent[-1]
    assert (sent.input, sent.input_file) == (None, str(file))
    file.unlink()  # as the worker does
    bench.slot.receive(DONE)
    assert (waiting.prediction.status, bench.files) == ("succeeded", [])


async def test_a_slot_that_comes_while_a_large_input_is_written(tmp_path: Path) -> None:
    bench = Bench(tmp_path, queue_size=2)
    bench.run(1, id="first")
    waiting = bench.new_run(2, input_json=LARGE)
    bench.pool.queue.add(waiting)
    waiting.accept()
    bench.slot.receive(slot.Done(id="first", predict_time=0.0))
    assert waiting.prediction.started_at is None
    await others_to_end()
    assert waiting.prediction.status == "processing"
    assert bench.wire.all_sent[-1].input_file is not None


def slow_bench(folder: Path, **options: Any) -> tuple[Bench, SlowStore]:
    store = SlowStore()
    return Bench(folder, records=store, **options), store


async def test_nothing_runs_before_it_is_recorded(tmp_path: Path) -> None:
    bench, store = slow_bench(tmp_path)
    run = bench.run()
    assert (run.acceptance.is_granted, bench.wire.written) == (False, b"")
    store.write()
    assert (run.acceptance.is_granted, run.prediction.status) == (True, "processing")
    await run.acceptance.wait()


async def test_no_end_is_visible_before_it_is_recorded(tmp_path: Path) -> None:
    bench, store = slow_bench(tmp_path)
    run = bench.run()
    store.write()
    bench.slot.receive(DONE)
    assert (run.prediction.status, run.recorded.record().status, bench.pool.free) == (
        "processing",
        "succeeded",
        1,
    )
    run.cancel()
    run.stop("late")
    assert bench.free_at_end == []
    store.write()
    assert (run.prediction.status, bench.free_at_end) == ("succeeded", [1])


async def test_a_prediction_that_is_not_recorded_is_not_accepted(tmp_path: Path) -> None:
    bench, store = slow_bench(tmp_path)
    run = bench.run()
    store.write(NotRecorded("disk full"))
    with pytest.raises(NotRecorded, match="disk full"):
        await run.acceptance.wait()
    assert not run.prediction.is_terminal
    assert (bench.wire.written, bench.pool.free, bench.free_at_end) == (b"", 1, [1])


async def test_an_end_that_is_not_recorded_is_visible_nevertheless(tmp_path: Path) -> None:
    bench, store = slow_bench(tmp_path)
    run = bench.run()
    store.write()
    bench.slot.receive(DONE)
    store.write(NotRecorded("disk full"))
    assert run.prediction.status == "succeeded"


async def test_a_cancel_before_the_record_is_written(tmp_path: Path) -> None:
    bench, store = slow_bench(tmp_path)
    run = bench.run()
    run.cancel()
    store.write()
    store.write()
    assert (run.prediction.status, bench.wire.written, bench.pool.free) == ("canceled", b"", 1)


async def test_a_worker_that_is_lost_before_the_record_is_written(tmp_path: Path) -> None:
    bench, store = slow_bench(tmp_path)
    run = bench.run()
    bench.slot.poison("worker died")
    store.write()
    store.write()
    assert (run.prediction.status, run.prediction.error) == ("failed", "worker died")
    await run.acceptance.wait()


async def test_a_slot_that_comes_before_the_record_is_written(tmp_path: Path) -> None:
    bench, store = slow_bench(tmp_path, queue_size=1)
    bench.run(1, id="first")
    store.write()
    waiting = bench.new_run(2)
    bench.pool.queue.add(waiting)
    waiting.accept()
    bench.slot.receive(slot.Done(id="first", predict_time=0.0))
    assert waiting.prediction.started_at is None
    store.pending.reverse()
    store.write()  # the end of the first
    store.write()
    assert waiting.prediction.status == "processing"


@pytest.mark.parametrize("is_running", [True, False])
async def test_at_its_deadline_it_is_canceled(tmp_path: Path, is_running: bool) -> None:
    bench = Bench(tmp_path, queue_size=1)
    run = bench.new_run(deadline=time.time() + 0.01)
    if is_running:
        assert bench.pool.acquire() is bench.slot
        run.assign(bench.slot)
    run.accept()
    if is_running:
        await wait_until(lambda: bench.owner.cancels == 1)
        bench.slot.receive(slot.Cancelled(id="p"))
    assert await run.prediction.wait_terminal(20.0)
    assert run.prediction.status == "canceled"


async def test_a_deadline_after_the_end_changes_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    run = bench.run(deadline=time.time() + 0.01)
    bench.slot.receive(slot.Done(id="p", predict_time=0.0, output=b"1"))
    other = bench.new_run(2, id="q", deadline=time.time() + 0.02)
    other.accept()
    assert await other.prediction.wait_terminal(20.0)
    assert (run.prediction.status, bench.owner.cancels) == ("succeeded", 0)
