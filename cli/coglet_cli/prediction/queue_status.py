"""The queue of a server, shown while a prediction waits in it."""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar

from coglet_cli.errors import UserError
from coglet_cli.outputs.presentation import Reply
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
            state = await _state(client, prediction_id)
            if state.get("status") != "starting":
                return
            # The number first, because a narrow terminal cuts the line.
            if (position := state.get("queue_position")) is not None:
                terminal.status(f"Number {position} in the queue; the prediction waits for its turn")
    finally:
        terminal.clear_status()


async def _state(client: "RecordClient", prediction_id: str) -> Reply:
    """Return the state of the prediction without its data; an empty one if it cannot be seen."""
    from coglet_cli.server.records import NotKept

    try:
        return await client.record(prediction_id, fields="")
    except NotKept:
        return {"status": "starting"}  # the server has not read the whole request yet
    except UserError:
        return {}  # an older server, or one that cannot be reached, which `work` reports
