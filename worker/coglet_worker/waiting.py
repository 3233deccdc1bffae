"""Awaits what a sync call returned: run to its end on the main thread, on the loop of `setup`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from coglet_worker.outcome import outcome_of

if TYPE_CHECKING:
    import asyncio


class Waiting:
    """Waits for coroutines and async generators. Makes the loop for the first of them."""

    def __init__(self, make_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self._make_loop = make_loop

    def result_of(self, awaitable: Any) -> Any:
        """Return the result, or raise what it raises; if a cancel interrupts the wait, cancel its task."""
        loop = self._make_loop()
        task = loop.create_task(outcome_of(awaitable))
        try:
            return loop.run_until_complete(task).value()
        finally:
            if not task.done():
                task.cancel()
                loop.run_until_complete(task)

    def items_of(self, items: Any) -> Iterator[Any]:
        """Yield each item of an async iterator as soon as it exists."""
        try:
            while True:
                try:
                    item = self.result_of(items.__anext__())
                except StopAsyncIteration:
                    return
                yield item
        finally:
            if hasattr(items, "aclose"):
                self.result_of(items.aclose())
