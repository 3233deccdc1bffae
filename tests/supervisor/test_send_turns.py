"""The order of sends: no receiver delays others for long, whatever it does."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest
from testing.waiting import settle, wait_for

from coglet_supervisor.webhooks.send_turns import GivenUp, Limits, Receiver, Turns

NEVER_S = 1e6
SOON_S = 0.01


class Sends:
    """Sends that the test ends; `begun` and `given_up` are their receivers, in order."""

    def __init__(self, tasks: asyncio.TaskGroup, turns: Turns) -> None:
        self.begun: list[str] = []
        self.given_up: list[str] = []
        self._tasks = tasks
        self._turns = turns
        self._receivers: dict[str, Receiver] = {}
        self._changed = asyncio.Event()
        self._answers: dict[str, asyncio.Event] = {}

    def start(self, name: str, count: int = 1) -> list["asyncio.Task[None]"]:
        return [self._tasks.create_task(self._send(name)) for _ in range(count)]

    def receiver(self, name: str) -> Receiver:
        return self._receivers.setdefault(name, Receiver())

    def answer(self, name: str) -> None:
        """Answer all current and future sends to the receiver."""
        self._answers.setdefault(name, asyncio.Event()).set()

    async def wait(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def wait_silent(self, name: str) -> None:
        await asyncio.to_thread(wait_for, lambda: self.receiver(name).is_silent, f"silence of {name}")

    async def _send(self, name: str) -> None:
        try:
            async with self._turns.take(self.receiver(name)) as turn:
                self.begun.append(name)
                self._changed.set()
                async with turn.sending():
                    await self._answers.setdefault(name, asyncio.Event()).wait()
        except GivenUp:
            self.given_up.append(name)
            self._changed.set()


def cancel(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()


async def test_receivers_take_turns() -> None:
    async with asyncio.TaskGroup() as tasks:
        sends = Sends(tasks, Turns(Limits(total=3, to_one=3, slow_after_s=NEVER_S)))
        first = sends.start("a", 6)
        await settle()
        others = [*sends.start("b", 2), *sends.start("c")]
        await settle()
        assert sends.begun == ["a"] * 3
        cancel(first[:3])
        await settle()
        assert sends.begun == ["a", "a", "a", "b", "c", "a"]
        cancel([*first, *others])


async def test_one_receiver_has_at_most_its_limit_of_sends() -> None:
    async with asyncio.TaskGroup() as tasks:
        sends = Sends(tasks, Turns(Limits(total=10, to_one=2, slow_after_s=NEVER_S)))
        started = sends.start("a", 5)
        await settle()
        assert sends.begun == ["a", "a"]
        cancel(started[:1])
        await settle()
        assert sends.begun == ["a"] * 3
        cancel(started)


async def test_to_make_room_the_oldest_slow_send_of_the_busiest_receiver_is_given_up() -> None:
    async with asyncio.TaskGroup() as tasks:
        sends = Sends(tasks, Turns(Limits(total=4, to_one=3, slow_after_s=SOON_S)))
        started = [*sends.start("a"), *sends.start("b", 3)]
        await sends.wait_silent("b")
        assert not sends.given_up
        started += sends.start("c")
        await sends.wait(lambda: "c" in sends.begun)
        await settle()
        assert sends.given_up == ["b"]
        cancel(started)


async def test_no_send_is_given_up_before_it_is_slow() -> None:
    async with asyncio.TaskGroup() as tasks:
        sends = Sends(tasks, Turns(Limits(total=1, slow_after_s=NEVER_S)))
        started = [*sends.start("a"), *sends.start("b")]
        await settle()
        assert (sends.begun, sends.given_up) == (["a"], [])
        cancel(started)


async def test_silent_receivers_use_limited_places_and_come_last() -> None:
    async with asyncio.TaskGroup() as tasks:
        sends = Sends(tasks, Turns(Limits(total=4, to_one=4, to_silent=2, slow_after_s=SOON_S)))
        started = sends.start("silent", 2)
        await sends.wait_silent("silent")
        started += sends.start("silent", 2)
        await settle()
        started += sends.start("a", 2)
        await settle()
        assert sends.begun == ["silent", "silent", "a", "a"]
        assert not sends.given_up
        cancel(started)


async def test_a_receiver_that_responds_again_is_no_longer_silent() -> None:
    async with asyncio.TaskGroup() as tasks:
        sends = Sends(tasks, Turns(Limits(total=4, to_one=4, to_silent=1, slow_after_s=SOON_S)))
        started = sends.start("a")
        await sends.wait_silent("a")
        started += sends.start("a", 3)
        await settle()
        assert sends.begun == ["a"]
        sends.answer("a")
        await sends.wait(lambda: len(sends.begun) == 4)
        assert not sends.receiver("a").is_silent


async def test_had_to_wait_is_true_only_for_delayed_sends() -> None:
    turns = Turns(Limits(total=2, to_one=1, slow_after_s=NEVER_S))
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
        sends = Sends(tasks, turns)
        started = sends.start("a", 2)
        await settle()
        turn = await stack.enter_async_context(turns.take(sends.receiver("b")))
        assert not turn.had_to_wait  # although a send to another receiver waits
        cancel(started)


@pytest.mark.parametrize("granted", [False, True])
async def test_a_send_that_is_canceled_while_waiting_frees_its_place(granted: bool) -> None:
    turns = Turns(Limits(total=1, to_one=1, slow_after_s=NEVER_S))
    async with asyncio.TaskGroup() as tasks:
        sends = Sends(tasks, turns)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(turns.take(sends.receiver("a")))
            (waiting,) = sends.start("b")
            await settle()
            if not granted:
                waiting.cancel()
                await settle()
        waiting.cancel()  # just after its turn was granted
        await settle()
        assert sends.begun == []
        last = sends.start("c")
        await settle()
        assert sends.begun == ["c"]
        cancel(last)
