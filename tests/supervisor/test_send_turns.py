"""Who may send next: no receiver keeps another waiting for long, whatever it does."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from coglet_supervisor.send_turns import GivenUp, Limits, Turns

NEVER_S = 1e6


class Sends:
    """Sends that end when the test says so; `begun` are their receivers, in order."""

    def __init__(self, tasks: asyncio.TaskGroup, turns: Turns) -> None:
        self.begun: list[str] = []
        self.given_up: list[str] = []
        self._tasks = tasks
        self._turns = turns
        self._changed = asyncio.Event()

    def start(self, receiver: str, count: int = 1) -> list["asyncio.Task[None]"]:
        return [self._tasks.create_task(self._send(receiver)) for _ in range(count)]

    async def wait(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def _send(self, receiver: str) -> None:
        try:
            async with self._turns.take(receiver) as turn:
                self.begun.append(receiver)
                self._changed.set()
                async with turn.sending():
                    await asyncio.Event().wait()
        except GivenUp:
            self.given_up.append(receiver)
            self._changed.set()


async def settle() -> None:
    """Everything that can go on without the test has done so."""
    for _ in range(20):
        await asyncio.sleep(0)


def cancel(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()


async def test_the_receiver_with_the_fewest_sends_is_next() -> None:
    async with asyncio.TaskGroup() as tasks:
        sends = Sends(tasks, Turns(Limits(prompt=3, to_one=3, slow_after_s=NEVER_S)))
        first = sends.start("a", 6)
        await settle()
        others = [*sends.start("b", 2), *sends.start("c")]
        await settle()
        assert sends.begun == ["a"] * 3
        cancel(first[:2])
        await settle()
        assert sends.begun == ["a", "a", "a", "b", "c"]
        cancel([*first, *others])


async def test_one_receiver_has_at_most_its_share() -> None:
    async with asyncio.TaskGroup() as tasks:
        sends = Sends(tasks, Turns(Limits(prompt=10, to_one=2, slow_after_s=NEVER_S)))
        started = sends.start("a", 5)
        await settle()
        assert sends.begun == ["a", "a"]
        cancel(started[:1])
        await settle()
        assert sends.begun == ["a"] * 3
        cancel(started)


async def test_a_send_that_takes_long_gives_its_turn_to_another() -> None:
    async with asyncio.TaskGroup() as tasks:
        sends = Sends(tasks, Turns(Limits(prompt=2, to_one=2, slow_after_s=0.01)))
        started = [*sends.start("a", 2), *sends.start("b", 2), *sends.start("c", 2)]
        await sends.wait(lambda: len(sends.begun) == 6)
        assert not sends.given_up
        cancel(started)


async def test_of_too_many_slow_ones_the_oldest_of_the_largest_receiver_is_given_up() -> None:
    async with asyncio.TaskGroup() as tasks:
        sends = Sends(tasks, Turns(Limits(prompt=1, to_one=9, slow=3, slow_after_s=0.01)))
        started = [*sends.start("a"), *sends.start("b", 3)]
        await sends.wait(lambda: bool(sends.given_up))
        await settle()
        assert sends.given_up == ["b"]
        cancel(started)


@pytest.mark.parametrize("granted", [False, True])
async def test_who_is_canceled_while_waiting_leaves_nothing_behind(granted: bool) -> None:
    turns = Turns(Limits(prompt=1, to_one=1, slow_after_s=NEVER_S))
    async with asyncio.TaskGroup() as tasks:
        sends = Sends(tasks, turns)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(turns.take("a"))
            (waiting,) = sends.start("b")
            await settle()
            if not granted:
                waiting.cancel()
                await settle()
        waiting.cancel()  # in the moment in which its turn has come
        await settle()
        assert sends.begun == []
        last = sends.start("c")
        await settle()
        assert sends.begun == ["c"]
        cancel(last)
