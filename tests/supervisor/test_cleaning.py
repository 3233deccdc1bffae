"""What must be cleaned up is cleaned up, also when no thread can do it."""

import asyncio
import threading

from coglet_supervisor.cleaning import clean_up


async def test_a_thread_does_it() -> None:
    done_by: list[int] = []
    await clean_up(lambda: done_by.append(threading.get_ident()))
    assert done_by != [threading.get_ident()]


async def test_without_a_thread_it_is_done_nevertheless() -> None:
    await asyncio.get_running_loop().shutdown_default_executor()
    done_by: list[int] = []
    await clean_up(lambda: done_by.append(threading.get_ident()))
    assert done_by == [threading.get_ident()]
