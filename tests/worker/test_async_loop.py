"""The loop of an async model: concurrent predictions, and the end of a prediction, a slot, or the loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from tests.worker.parts import Parts, SlotEnd

from cog import current_scope
from coglet_protocol import control, slot
from coglet_worker.async_loop import AsyncLoop
from coglet_worker.precise_loop import new_event_loop
from coglet_worker.slot import SlotBroken


class Bench:
    """A loop over slots, and the messages that it has sent on each of them."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.event_loop = new_event_loop()
        self.loop: AsyncLoop

    @property
    def slot_end(self) -> SlotEnd:
        """The first slot."""
        return self.parts.slots[0] if self.parts.slots else self.parts.add_slot()

    def make(self, call: Callable[..., Any] | None) -> None:
        """Make a loop that runs until the test or the model ends it."""
        connections = [each.connection for each in [self.slot_end, *self.parts.slots[1:]]]
        self.loop = AsyncLoop(self.parts.runtime(call), connections, self.event_loop)

    def serve(self, call: Callable[..., Any] | None) -> None:
        """Run all predictions that were sent, and stop."""
        self.make(call)
        self.serve_on()

    def serve_on(self) -> None:
        """Do the same with the loop that was made."""
        self.event_loop.call_soon(self._stop_at_the_end)
        self.loop.serve()

    def run(self, call: Callable[..., Any] | None, **arguments: Any) -> list[slot.FromWorker]:
        """Run one prediction. Return the messages that the worker has sent about it."""
        self.slot_end.predict(**arguments)
        self.serve(call)
        return self.slot_end.said

    def _stop_at_the_end(self) -> None:
        if all(each.has_ended for each in self.parts.slots):
            self.loop.stop()
        else:
            self.event_loop.call_later(0.001, self._stop_at_the_end)


@pytest.fixture
def bench(parts: Parts) -> Iterator[Bench]:
    bench = Bench(parts)
    yield bench
    bench.event_loop.close()


def outcome(message: slot.FromWorker) -> tuple[bytes | None, bool]:
    assert isinstance(message, slot.Done), message
    return message.output, message.is_stream


async def wait_for_cancel() -> None:
    await asyncio.Event().wait()


# results


def test_a_value(bench: Bench) -> None:
    async def run(n: int) -> int:
        await asyncio.sleep(0)
        return n + 1

    (end,) = bench.run(run, n=1)
    assert outcome(end) == (b"2", False)


def test_items_of_an_async_generator(bench: Bench) -> None:
    async def run(n: int) -> AsyncIterator[int]:
        for number in range(n):
            yield number

    *items, end = bench.run(run, n=2)
    assert items == [slot.Output(output=b"0", index=0), slot.Output(output=b"1", index=1)]
    assert outcome(end) == (None, True)


def test_a_coroutine_may_give_a_generator(bench: Bench) -> None:
    async def run() -> Iterator[int]:
        return (number for number in (1, 2))

    *items, end = bench.run(run)
    assert [item.output for item in items if isinstance(item, slot.Output)] == [b"1", b"2"]
    assert outcome(end) == (None, True)


def test_a_task_of_the_prediction_has_its_scope(bench: Bench) -> None:
    async def record() -> None:
        current_scope().record_metric("m", 1)

    async def run() -> None:
        async with asyncio.timeout(10):
            await asyncio.get_running_loop().create_task(record())

    metric, end = bench.run(run)
    assert metric == slot.Metric(name="m", value=b"1", mode="replace")
    assert outcome(end) == (None, False)


def test_predictions_run_side_by_side(bench: Bench) -> None:
    first, second = bench.slot_end, bench.parts.add_slot()
    met = asyncio.Event()

    async def run(waits: bool) -> bool:
        if not waits:
            met.set()
        await met.wait()
        return waits

    first.predict("first", waits=True)
    second.predict("second", waits=False)
    bench.serve(run)
    assert [outcome(end) for end in first.said] == [(b"true", False)]
    assert [outcome(end) for end in second.said] == [(b"false", False)]


def test_on_one_slot_they_run_one_after_the_other(bench: Bench) -> None:
    running = 0

    async def run(n: int) -> int:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0)
        running -= 1
        return n

    for n in range(3):
        bench.slot_end.predict(n=n)
    bench.serve(run)
    assert [outcome(end)[0] for end in bench.slot_end.said] == [b"0", b"1", b"2"]


# failures


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("boom"), "ValueError: boom"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt: "),
    ],
)
def test_whatever_it_raises_the_next_one_runs(bench: Bench, error: BaseException, text: str) -> None:
    async def run(fail: bool) -> str:
        if fail:
            raise error
        return "next"

    bench.slot_end.predict(fail=True)
    bench.slot_end.predict(fail=False)
    bench.serve(run)
    failed, done = bench.slot_end.said
    assert failed == slot.Failed(id="p", error=f"Prediction failed: Async prediction failed: {text}")
    assert outcome(done) == (b'"next"', False)


def test_a_model_that_cancels_its_own_task_has_failed(bench: Bench) -> None:
    async def run() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    (end,) = bench.run(run)
    assert isinstance(end, slot.Failed)
    assert "CancelledError" in end.error


def test_one_that_does_so_in_its_last_step_has_failed_too(bench: Bench) -> None:
    async def run() -> int:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        return 1

    (end,) = bench.run(run)
    assert isinstance(end, slot.Failed)
    assert end.error.endswith("CancelledError: the model canceled its own task")


def test_a_background_task_cannot_end_the_loop(bench: Bench) -> None:
    left = []

    async def give_up() -> None:
        raise SystemExit(1)

    async def run() -> str:
        left.append(asyncio.get_running_loop().create_task(give_up()))
        await asyncio.sleep(0)
        return "still there"

    (end,) = bench.run(run)
    assert outcome(end) == (b'"still there"', False)
    (warning,) = bench.parts.reported
    assert isinstance(warning, control.WorkerLog)
    assert warning.message == "a background task of the model raised SystemExit: 1; the event loop continues"
    assert isinstance(left[0].exception(), SystemExit)


def test_a_model_that_cannot_train_says_so(bench: Bench) -> None:
    assert bench.run(None) == [slot.Failed(id="p", error="Training not supported by this predictor")]


# cancels


def test_a_cancel_ends_the_prediction_that_runs_and_no_other(bench: Bench) -> None:
    first, second = bench.slot_end, bench.parts.add_slot()
    canceled = asyncio.Event()

    async def run(waits: bool) -> str:
        if not waits:
            bench.loop.cancel(first.connection.id, "p", 1)
            await canceled.wait()
            return "unharmed"
        try:
            await wait_for_cancel()
        finally:
            canceled.set()
        return ""

    first.predict(waits=True)
    second.predict(waits=False)
    bench.serve(run)
    assert first.said == [slot.Cancelled(id="p")]
    assert [outcome(end) for end in second.said] == [(b'"unharmed"', False)]


def test_one_that_comes_before_its_prediction_keeps_it_from_running(bench: Bench) -> None:
    async def run() -> int:
        await asyncio.sleep(0)
        return 1

    bench.slot_end.predict("canceled")
    bench.slot_end.predict("next")
    bench.make(run)
    bench.loop.cancel(bench.slot_end.connection.id, "canceled", 1)
    bench.serve_on()
    canceled, done = bench.slot_end.said
    assert canceled == slot.Cancelled(id="canceled")
    assert outcome(done) == (b"1", False)


def test_one_that_comes_late_changes_nothing(bench: Bench) -> None:
    async def run(number: int) -> int:
        if number == 2:
            bench.loop.cancel(bench.slot_end.connection.id, "p", 1)
        await asyncio.sleep(0)
        return number

    bench.slot_end.predict(number=1)
    bench.slot_end.predict(number=2)
    bench.serve(run)
    assert [outcome(end)[0] for end in bench.slot_end.said] == [b"1", b"2"]


def test_a_second_cancel_does_not_interrupt_the_clean_up_of_the_first(bench: Bench) -> None:
    cleaned = []

    async def run() -> None:
        bench.loop.cancel(bench.slot_end.connection.id, "p", 1)
        try:
            await wait_for_cancel()
        finally:
            bench.loop.cancel(bench.slot_end.connection.id, "p", 1)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            cleaned.append("all")

    assert bench.run(run) == [slot.Cancelled(id="p")]
    assert cleaned == ["all"]


def test_code_that_ends_in_its_own_way_is_canceled_with_its_output(bench: Bench) -> None:
    async def run() -> str:
        bench.loop.cancel(bench.slot_end.connection.id, "p", 1)
        try:
            await wait_for_cancel()
        except asyncio.CancelledError:
            return "kept"
        return ""

    assert bench.run(run) == [slot.Output(output=b'"kept"'), slot.Cancelled(id="p")]


def test_a_cancel_on_an_unknown_slot_is_logged(bench: Bench) -> None:
    async def run() -> None:
        bench.loop.cancel("elsewhere", "p", 1)

    (end,) = bench.run(run)
    assert isinstance(end, slot.Done)
    (warning,) = bench.parts.reported
    assert isinstance(warning, control.WorkerLog)
    assert warning.message == "ignoring cancel of p: this worker has no slot elsewhere"


# the end of a slot, and of the loop


def test_stop_lets_what_runs_come_to_its_end(bench: Bench) -> None:
    async def run() -> str:
        bench.loop.stop()
        for _ in range(5):
            await asyncio.sleep(0)
        return "whole"

    bench.slot_end.predict()
    bench.make(run)
    bench.loop.serve()  # returns, although the supervisor has closed nothing
    assert [outcome(end) for end in bench.slot_end.said] == [(b'"whole"', False)]


def test_a_slot_that_breaks_costs_its_own_prediction_alone(bench: Bench) -> None:
    first, second = bench.slot_end, bench.parts.add_slot()
    broken = asyncio.Event()

    async def run(waits: bool) -> str:
        if not waits:
            first.peer.sendall(b"\xff\xff\xff\xff")  # an impossible frame length
            await broken.wait()
            return "unharmed"
        try:
            await wait_for_cancel()
        finally:
            broken.set()
        return ""

    first.predict(waits=True)
    second.predict(waits=False)
    bench.serve(run)
    assert [outcome(end) for end in second.said] == [(b'"unharmed"', False)]
    assert [message.slot for message in bench.parts.reported if isinstance(message, control.Failed)] == [
        first.connection.id
    ]


def test_a_ping_is_answered_by_the_loop(bench: Bench) -> None:
    answered: list[list[control.FromWorker]] = []

    async def run() -> None:
        bench.loop.ping(7)
        answered.append(bench.parts.reported)
        await asyncio.sleep(0)
        answered.append(bench.parts.reported)

    bench.run(run)
    assert answered == [[], [control.Pong(id=7)]]


def test_the_loop_ends_when_every_slot_is_closed(bench: Bench) -> None:
    async def run() -> str:
        return "whole"

    bench.slot_end.predict()
    bench.make(run)
    bench.slot_end.end()
    with pytest.raises(SlotBroken, match="every slot is closed"):
        bench.loop.serve()
    assert [outcome(end) for end in bench.slot_end.said] == [(b'"whole"', False)]


def test_a_fault_of_ours_is_raised(bench: Bench) -> None:
    async def run() -> None: ...

    def fail() -> None:
        raise LookupError("ours")

    bench.make(run)
    bench.event_loop.call_soon(bench.loop.guarded, fail)
    with pytest.raises(LookupError, match="ours"):
        bench.loop.serve()
