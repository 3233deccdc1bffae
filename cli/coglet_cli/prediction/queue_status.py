"""The queue of a server, shown while a prediction waits in it."""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar

from coglet_cli.errors import UserError
from coglet_cli.server.running import unless_raised
from coglet_cli.terminal import Terminal

if TYPE_CHECKING:
    from coglet_cli.server.records import RecordClient

_POLL_S: Final = 1.0

T = TypeVar("T")


async def showing_queue(
    client: "RecordClient", prediction_id: str, terminal: Terminal, work: Coroutine[Any, Any, T]
) -> T:
    """Return the result of `work`; on a terminal, show meanwhile that the prediction waits, while it does."""
    if not terminal.shows_status:
        return await work
    return await unless_raised(_show_queue(client, prediction_id, terminal), work)


async def _show_queue(client: "RecordClient", prediction_id: str, terminal: Terminal) -> None:
    try:
        while True:
            await asyncio.sleep(_POLL_S)
            if not await _waits(client, prediction_id):
                return
            size = _queue_size(await client.health())
            if size:
                terminal.status(f"The prediction waits for its turn; {size} in the queue")
    finally:
        terminal.clear_status()


async def _waits(client: "RecordClient", prediction_id: str) -> bool:
    from coglet_cli.server.records import NotKept

    try:
        return (await client.record(prediction_id)).get("status") == "starting"
    except NotKept:
        return True  # the server has not read the whole request yet
    except UserError:
        return False  # an older server, or one that cannot be reached, which `work` reports


def _queue_size(report: Any) -> int:
    queue = (report or {}).get("queue")
    return int(queue.get("size", 0)) if isinstance(queue, dict) else 0
