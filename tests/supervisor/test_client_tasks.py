"""A task that serves a client does not affect others when it ends."""

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
async def test_a_failure_is_logged_and_other_tasks_continue(
    work: Callable[[], Coroutine[Any, Any, None]], caplog: pytest.LogCaptureFixture
) -> None:
    release = asyncio.Event()

    async def wait_for_release() -> None:
        await release.wait()

    async with asyncio.TaskGroup(), ClientTasks() as clients:
        other = clients.start(wait_for_release())
        failing = clients.start(work())
        await asyncio.wait({failing})
        release.set()
        await other
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith(f"{work.__name__} failed, which affects only its client")
    assert "unexpected" in str(record.exc_info)


async def test_its_end_cancels_remaining_tasks_and_waits_for_them() -> None:
    ended = []

    async def hold() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("ended")

    async with ClientTasks() as clients:
        clients.start(hold())
        await asyncio.sleep(0)
        never_begun = clients.start(hold())
    assert ended == ["ended"]
    assert never_begun.cancelled()
