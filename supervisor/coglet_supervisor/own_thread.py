"""Blocking work in a thread of its own: for what may block for long, and cannot be interrupted.

A few such calls would take all threads of `asyncio.to_thread`, and the end of the event loop waits for those.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar, cast

T = TypeVar("T")


def in_own_thread(work: Callable[[], T], name: str) -> "asyncio.Future[T]":
    """Starts `work` in a thread called `name`. The future has its result, or what it raised.

    The thread goes on when the future is canceled; shield it to learn of the end nevertheless. Raises
    RuntimeError when the system has no thread left.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        result: T | None = None
        error: Exception | None = None
        try:
            result = work()
        except Exception as raised:  # noqa: BLE001 - raised again where the future is awaited
            error = raised

        def report() -> None:
            if ended.cancelled():
                return
            if error is not None:
                ended.set_exception(error)
            else:
                ended.set_result(cast("T", result))

        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(report)

    threading.Thread(target=run, name=name, daemon=True).start()
    return ended
