"""The loop of async models: its timers are precise, and it still works as an asyncio loop."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from coglet_worker.precise_loop import new_event_loop


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = new_event_loop()
    yield made
    made.close()


@pytest.mark.parametrize("delay_s", [0, 0.00001, 0.0009, 0.001, 0.0011, 0.0029999, 0.003, 0.01])
def test_no_timer_fires_early(loop: asyncio.AbstractEventLoop, delay_s: float) -> None:
    early_by: list[float] = []

    def fire(due_at: float) -> None:
        early_by.append(due_at - loop.time())
        if len(early_by) == 20:
            loop.stop()
        else:
            start()

    def start() -> None:
        loop.call_at(due_at := loop.time() + delay_s, fire, due_at)

    start()
    loop.run_forever()
    assert max(early_by) <= 1e-6  # what asyncio itself allows: the resolution of the clock


def test_timers_fire_in_their_order(loop: asyncio.AbstractEventLoop) -> None:
    fired: list[int] = []
    began_at = loop.time() + 0.005
    for number in reversed(range(50)):
        loop.call_at(began_at + number * 0.0001, fired.append, number)
    loop.call_at(began_at + 0.006, loop.stop)
    loop.run_forever()
    assert fired == list(range(50))


def test_another_thread_wakes_it_while_it_waits_for_a_timer(loop: asyncio.AbstractEventLoop) -> None:
    async def until_woken(delay_s: float) -> bool:
        woken = asyncio.Event()
        threading.Timer(0.0001, loop.call_soon_threadsafe, [woken.set]).start()
        async with asyncio.timeout(delay_s):
            return await woken.wait()

    assert loop.run_until_complete(until_woken(60))


def test_the_loop_that_a_model_chooses_stays() -> None:
    class Chosen(asyncio.SelectorEventLoop):
        pass

    class Policy(asyncio.DefaultEventLoopPolicy):
        _loop_factory = Chosen

    asyncio.set_event_loop_policy(Policy())
    try:
        loop = new_event_loop()
    finally:
        asyncio.set_event_loop_policy(None)
    assert type(loop) is Chosen
    loop.close()
