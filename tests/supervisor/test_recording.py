"""docs/records.md, Transitions: runs whose store takes time, or fails."""

from pathlib import Path

import pytest
from testing.waiting import wait_until
from tests.supervisor.kept import SlowStore
from tests.supervisor.running import Bench
from tests.supervisor.serving import Service

from coglet_protocol import slot
from coglet_supervisor.predictions import run as runs
from coglet_supervisor.predictions.record import NotRecorded
from coglet_supervisor.server_log import ServerLog

FULL = NotRecorded("disk full")


@pytest.fixture
def store() -> SlowStore:
    return SlowStore(is_durable=True)


@pytest.fixture
async def queued(tmp_path: Path, server_log: ServerLog, store: SlowStore) -> Service:
    """A service with one slot and three places in its queue."""
    return Service(Bench(tmp_path, records=store, queue_size=3), server_log)


async def test_a_slot_goes_past_one_whose_end_is_being_written(queued: Service, store: SlowStore) -> None:
    queued.create("a")
    left, next_one = queued.create("b"), queued.create("c")
    store.write_all()
    left.cancel()  # its end is not written yet
    queued.end("a")
    assert next_one.prediction.status == "processing"
    store.write_all()
    queued.end("c")
    store.write_all()
    assert (left.prediction.status, next_one.prediction.status) == ("canceled", "succeeded")
    assert (queued.bench.pool.free, len(queued.bench.pool.queue)) == (1, 0)


async def test_one_that_leaves_the_queue_before_its_acceptance_is_written(
    queued: Service, store: SlowStore
) -> None:
    queued.create("a")
    refused, next_one = queued.create("b"), queued.create("c")
    store.write()
    store.write(FULL)
    store.write_all()
    assert queued.service.find("b") is None
    queued.end("a")
    assert (refused.prediction.status, next_one.prediction.status) == ("starting", "processing")


async def test_a_start_that_cannot_be_written_is_repeated(
    queued: Service, store: SlowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_RETRY_S", 0.01)
    store.start_error = FULL
    first, second = queued.create("a"), queued.create("b")
    store.write_all()
    assert (first.prediction.status, second.prediction.status) == ("starting", "starting")
    store.start_error = None
    await wait_until(lambda: first.prediction.status == "processing")
    queued.end("a")
    assert second.prediction.status == "processing"
    store.write_all()
    assert (first.prediction.status, first.recorded.record().attempt) == ("succeeded", 1)


@pytest.mark.parametrize("is_lost", [True, False])
async def test_one_that_waits_for_the_store_can_be_ended(
    queued: Service, store: SlowStore, is_lost: bool
) -> None:
    store.start_error = FULL
    run = queued.create("a")
    store.write_all()
    if is_lost:
        queued.bench.slot.poison("worker died")
    else:
        run.cancel()
        assert queued.bench.pool.free == 1
    store.write_all()
    assert run.prediction.status == ("failed" if is_lost else "canceled")


async def test_a_stop_leaves_those_that_wait_to_the_next_server(queued: Service, store: SlowStore) -> None:
    store.start_error = FULL
    delayed = queued.create("a", is_detached=True)
    waiting = queued.create("b", is_detached=True)
    attended = queued.create("c")
    store.write_all()
    being_accepted = queued.create("d", is_detached=True)
    queued.service.stop_waiting("the server was stopped")
    store.write_all()
    found = [each.prediction.status for each in (delayed, waiting, being_accepted, attended)]
    assert found == ["starting", "starting", "starting", "failed"]
    assert being_accepted.acceptance.is_granted
    await queued.service.wait_empty()


async def test_a_stop_without_a_parent_leaves_those_that_run(queued: Service, store: SlowStore) -> None:
    left = queued.create("a", is_detached=True)
    store.write_all()
    queued.service.leave_running()
    await queued.service.wait_empty()
    queued.end("a")
    assert (left.prediction.status, store.pending) == ("processing", [])


async def test_the_refusal_wins_over_the_death_of_the_worker(queued: Service, store: SlowStore) -> None:
    run = queued.create("a")
    queued.bench.slot.poison("worker died")
    store.write(FULL)
    assert (run.prediction.status, store.pending) == ("starting", [])
    assert queued.service.ended_count == 0
    await queued.service.wait_empty()


async def test_a_poll_that_is_over_leaves_nothing(queued: Service, store: SlowStore) -> None:
    run = queued.create("a")
    store.write_all()
    assert not await run.prediction.wait_terminal(0.0)
    assert not run.prediction._waiters


async def test_the_memory_of_a_record_includes_what_a_client_sends(queued: Service, store: SlowStore) -> None:
    small = queued.create("a")
    large = queued.create("b", context={"k": "x" * 10_000})
    store.write_all()
    assert large.recorded.kept_bytes > small.recorded.kept_bytes + 10_000
    before = small.recorded.kept_bytes
    queued.bench.slot.receive(slot.Metric(name="m", value=b"[%b]" % (b"1," * 2500 + b"1"), mode="replace"))
    assert small.recorded.kept_bytes > before + 5000
