"""A task that serves a client ends alone."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from coglet_supervisor.client_tasks import ClientTasks


async def fail() -> None:
    raise KeyError("unexpected")


async def fail_together() -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fail())
        tasks.create_task(fail())


@pytest.mark.parametrize("work", [fail, fail_together])
async def test_a_failure_is_logged_and_the_others_go_on(
    work: Callable[[], Coroutine[Any, Any, None]], caplog: pytest.LogCaptureFixture
) -> None:
    let_go = asyncio.Event()

    async def go_on() -> None:
        await let_go.wait()

    async with asyncio.TaskGroup(), ClientTasks() as clients:
        other = clients.start(go_on())
        failing = clients.start(work())
        await asyncio.wait({failing})
        let_go.set()
        await other
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith(f"{work.__name__} failed, which costs its client alone")
    assert "unexpected" in str(record.exc_info)


async def test_its_end_cancels_what_is_left_and_waits_for_it() -> None:
    told = []

    async def hold() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            told.append("ended")

    async with ClientTasks() as clients:
        clients.start(hold())
        await asyncio.sleep(0)
        never_begun = clients.start(hold())
    assert told == ["ended"]
    assert never_begun.cancelled()
