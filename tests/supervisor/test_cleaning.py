"""Cleaning up runs in a thread, or in the current one if none is available."""

import asyncio
import threading

from coglet_supervisor.cleaning import clean_up


async def test_cleaning_runs_in_a_thread() -> None:
    done_by: list[int] = []
    await clean_up(lambda: done_by.append(threading.get_ident()))
    assert done_by != [threading.get_ident()]


async def test_cleaning_runs_even_without_a_free_thread() -> None:
    await asyncio.get_running_loop().shutdown_default_executor()
    done_by: list[int] = []
    await clean_up(lambda: done_by.append(threading.get_ident()))
    assert done_by == [threading.get_ident()]
