"""What a sync call has left to be awaited: run to its end on the main thread, on the loop of `setup`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from coglet_worker.outcome import outcome_of

if TYPE_CHECKING:
    import asyncio


class Waiting:
    """Waits for coroutines and async generators. Makes the loop when the first comes."""

    def __init__(self, make_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self._make_loop = make_loop

    def result_of(self, awaitable: Any) -> Any:
        """What it gives. Raises what it raises; when a cancel interrupts the wait, it is canceled, too."""
        loop = self._make_loop()
        task = loop.create_task(outcome_of(awaitable))
        try:
            return loop.run_until_complete(task).value()
        finally:
            if not task.done():
                task.cancel()
                loop.run_until_complete(task)

    def items_of(self, items: Any) -> Iterator[Any]:
        """Each item of an async iterator, as soon as it is there."""
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
