"""Work that blocks for long delays neither the event loop nor its end."""

import asyncio
import threading

import pytest

from coglet_supervisor.own_thread import in_own_thread


async def test_its_result_and_what_it_raises() -> None:
    assert await in_own_thread(lambda: 1, "one") == 1
    with pytest.raises(ZeroDivisionError):
        await in_own_thread(lambda: 1 // 0, "none")


async def test_the_event_loop_goes_on_meanwhile() -> None:
    go_on = threading.Event()
    ended = in_own_thread(go_on.wait, "waiting")
    await asyncio.sleep(0)
    assert not ended.done()
    go_on.set()
    assert await ended


async def test_a_canceled_one_ends_unnoticed() -> None:
    go_on, has_ended = threading.Event(), threading.Event()

    def work() -> None:
        go_on.wait()
        has_ended.set()

    ended = in_own_thread(work, "waiting")
    ended.cancel()
    go_on.set()
    assert await asyncio.to_thread(has_ended.wait, 20)
    await asyncio.sleep(0)
    assert ended.cancelled()
