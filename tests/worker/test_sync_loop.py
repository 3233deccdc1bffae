"""The loop of a sync model: how each prediction ends, and which cancel takes effect."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from tests.worker.parts import TERMINAL, Parts, SlotEnd

from cog import current_scope
from coglet import CancelationException
from coglet_protocol import control, slot
from coglet_worker.precise_loop import new_event_loop
from coglet_worker.running import LogTarget, log_target
from coglet_worker.slot import SlotBroken
from coglet_worker.sync_loop import SyncLoop
from coglet_worker.waiting import Waiting


class Bench:
    """A loop that runs all predictions that were sent to its one slot."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.slot: SlotEnd = parts.add_slot()
        self.loop: SyncLoop

    def serve(self, call: Callable[..., Any] | None, **options: Any) -> list[slot.FromWorker]:
        """Run them. Return the messages that the worker has sent on the slot."""
        self.slot.end()
        event_loop = new_event_loop()
        self.loop = SyncLoop(
            self.parts.runtime(call, **options), self.slot.connection, Waiting(lambda: event_loop)
        )
        try:
            self.loop.serve()
        finally:
            event_loop.close()
        return self.slot.said

    def run(self, call: Callable[..., Any] | None, **arguments: Any) -> list[slot.FromWorker]:
        """Run one prediction."""
        self.slot.predict(**arguments)
        return self.serve(call)

    def ends(self, call: Callable[..., Any], **options: Any) -> list[slot.FromWorker]:
        """Run them. Return only the terminal messages."""
        return [message for message in self.serve(call, **options) if isinstance(message, TERMINAL)]


@pytest.fixture
def bench(parts: Parts) -> Bench:
    return Bench(parts)


def outcome(message: slot.FromWorker) -> tuple[bytes | None, bool]:
    assert isinstance(message, slot.Done), message
    return message.output, message.is_stream


def prints(text: str) -> None:
    target = log_target.get()
    assert target is not None
    target.write("stdout", text)


# results


def test_a_value_travels_in_the_end(bench: Bench) -> None:
    (end,) = bench.run(lambda n: n + 1, n=1)
    assert outcome(end) == (b"2", False)


def test_none_is_not_an_output(bench: Bench) -> None:
    (end,) = bench.run(lambda: None)
    assert outcome(end) == (None, False)


def test_items_come_before_the_end(bench: Bench) -> None:
    def count(n: int) -> Iterator[int]:
        yield from range(n)

    *items, end = bench.run(count, n=2)
    assert items == [slot.Output(output=b"0", index=0), slot.Output(output=b"1", index=1)]
    assert outcome(end) == (None, True)


def test_a_plain_function_may_give_what_has_to_be_awaited(bench: Bench) -> None:
    async def later(n: int) -> int:
        return n * 2

    def wrapper(n: int) -> Awaitable[int]:
        return later(n)

    (end,) = bench.run(wrapper, n=2)
    assert outcome(end) == (b"4", False)


def test_predictions_run_one_after_the_other(bench: Bench) -> None:
    for n in range(3):
        bench.slot.predict(f"p{n}", n=n)
    ends = bench.ends(lambda n: n)
    assert [(end.id, outcome(end)[0]) for end in ends if isinstance(end, slot.Done)] == [
        ("p0", b"0"),
        ("p1", b"1"),
        ("p2", b"2"),
    ]


# what code does beside its result


def test_prints_and_metrics_belong_to_the_prediction(bench: Bench) -> None:
    def run() -> str:
        prints("a line\nand half a one")
        current_scope().record_metric("tokens", 2)
        return current_scope().context["from"]

    first, metric, half, end = bench.run(run)
    assert (first, half) == (
        slot.Log(source="stdout", data="a line\n"),
        slot.Log(source="stdout", data="and half a one"),
    )
    assert metric == slot.Metric(name="tokens", value=b"2", mode="replace")
    assert outcome(end) == (b'"test"', False)


def test_what_is_printed_after_the_end_goes_to_the_server_log(bench: Bench) -> None:
    targets: list[LogTarget | None] = []
    before = bench.run(lambda: targets.append(log_target.get()))
    assert log_target.get() is None
    assert targets[0] is not None
    targets[0].write("stdout", "late\n")
    assert bench.slot.said == before
    assert bench.parts.reported == [control.Log(source="stdout", data="late\n")]


# failures


def test_an_exception_fails_it_and_its_traceback_is_for_the_log(bench: Bench) -> None:
    def run() -> None:
        raise ValueError("boom")

    (end,) = bench.run(run)
    assert end == slot.Failed(id="p", error="Prediction failed: Prediction failed: ValueError: boom")
    records = [message.message for message in bench.parts.reported if isinstance(message, control.WorkerLog)]
    assert (records[0], records[-1]) == ("prediction p raised", "ValueError: boom")


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_whatever_it_raises_the_next_one_runs(bench: Bench, error: BaseException) -> None:
    def run(fail: bool) -> str:
        if fail:
            raise error
        return "next"

    bench.slot.predict(fail=True)
    bench.slot.predict(fail=False)
    failed, done = bench.ends(run)
    assert isinstance(failed, slot.Failed)
    assert outcome(done) == (b'"next"', False)


def test_a_generator_that_fails_keeps_its_items(bench: Bench) -> None:
    def run() -> Iterator[int]:
        yield 1
        raise ValueError("boom")

    item, end = bench.run(run)
    assert item == slot.Output(output=b"1", index=0)
    assert end == slot.Failed(id="p", error="Prediction failed: Generator iteration error: ValueError: boom")


def test_an_output_that_no_json_can_hold_fails_it(bench: Bench) -> None:
    (end,) = bench.run(lambda: object())
    assert isinstance(end, slot.Failed)
    assert end.error.startswith("Prediction failed: ")
    assert bench.parts.reported == []  # no traceback: it is not the author's exception


def test_the_reason_of_an_input_that_cannot_be_decoded_is_reported_unchanged(bench: Bench) -> None:
    message = slot.Predict(id="p", output_dir="/nonexistent", sequence=1)
    bench.slot.peer.sendall(slot.encode_frame(message))
    (end,) = bench.serve(lambda: 1)
    assert end == slot.Failed(
        id="p", error="Failed to rehydrate input: neither input nor input_file was given"
    )


def test_a_model_that_cannot_train_says_so(bench: Bench) -> None:
    (end,) = bench.run(None)
    assert end == slot.Failed(id="p", error="Training not supported by this predictor")


# cancels


def test_a_cancel_interrupts_the_prediction_that_runs(bench: Bench) -> None:
    def run() -> None:
        bench.loop.cancel("slot", "p", 1)
        raise AssertionError("it went on")

    assert bench.run(run) == [slot.Cancelled(id="p")]
    assert bench.parts.reported == []


def test_one_that_comes_before_it_runs_keeps_it_from_running(bench: Bench) -> None:
    bench.parts.gate.request(2)
    bench.slot.predict("first")
    bench.slot.predict("second")
    done, canceled = bench.ends(lambda: 1)
    assert outcome(done) == (b"1", False)
    assert canceled == slot.Cancelled(id="second")


def test_one_that_comes_late_changes_nothing(bench: Bench) -> None:
    def run(number: int) -> int:
        if number == 2:
            bench.loop.cancel("slot", "p", 1)
        return number

    bench.slot.predict(number=1)
    bench.slot.predict(number=2)
    assert [outcome(end)[0] for end in bench.ends(run)] == [b"1", b"2"]


def test_code_that_ends_in_its_own_way_is_canceled_with_its_output(bench: Bench) -> None:
    def run() -> str:
        try:
            bench.loop.cancel("slot", "p", 1)
        except CancelationException:
            return "kept"
        return "not canceled"

    assert bench.run(run) == [slot.Output(output=b'"kept"'), slot.Cancelled(id="p")]


def test_code_that_fails_in_its_clean_up_is_canceled(bench: Bench) -> None:
    def run() -> None:
        try:
            bench.loop.cancel("slot", "p", 1)
        finally:
            raise ValueError("in the clean-up")

    assert bench.run(run) == [slot.Cancelled(id="p")]


# the control channel


@pytest.mark.parametrize("reports_idle", [True, False])
def test_an_idle_slot_is_reported_if_init_asks_for_it(bench: Bench, reports_idle: bool) -> None:
    bench.parts.gate.request(2)
    bench.slot.predict()
    bench.slot.predict()
    bench.ends(lambda: 1, reports_idle=reports_idle)
    slot_id = bench.slot.connection.id
    idle = control.Idle(slot=slot_id)
    assert bench.parts.reported == ([idle, control.Cancelled(slot=slot_id), idle] if reports_idle else [])


def test_a_ping_is_answered_while_the_model_runs(bench: Bench) -> None:
    def run() -> None:
        bench.loop.ping(7)
        assert bench.parts.reported == [control.Pong(id=7)]

    (end,) = bench.run(run)
    assert isinstance(end, slot.Done)


def test_what_was_sent_before_stop_is_still_run(bench: Bench) -> None:
    def run(number: int) -> int:
        if number == 1:
            bench.loop.stop()
        return number

    bench.slot.predict(number=1)
    bench.slot.predict(number=2)
    assert [outcome(end)[0] for end in bench.ends(run)] == [b"1", b"2"]


def test_an_invalid_message_breaks_the_slot(bench: Bench) -> None:
    bench.slot.peer.sendall(b"\0\0\0\1x")
    with pytest.raises(SlotBroken, match=bench.slot.connection.id):
        bench.serve(lambda: 1)
