"""The steps of a shutdown, and how long each may take."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Final

from coglet_supervisor.end_deadline import EndDeadline
from coglet_supervisor.stop_request import StopRequest

if TYPE_CHECKING:
    from coglet_supervisor.outgoing.client import Outgoing
    from coglet_supervisor.predictions.service import PredictionService
    from coglet_supervisor.webhooks.delivery import Webhooks
    from coglet_supervisor.workers.supervisor import WorkerSupervisor

log = logging.getLogger(__name__)

# A shutdown takes the grace time and at most 6 s more: `EndDeadline` ends what takes longer. When predictions
# have used up the grace time, they get _CANCELED_S to be canceled, and workers that have not exited get
# _KILL_S to be killed. Then the last webhooks get _LAST_WEBHOOKS_S; open responses have the same time in
# parallel. The last spans get what is left until then, within the limits of _LAST_SPANS_S.
_CANCELED_S: Final = 2.0
_KILL_S: Final = 1.4
_LAST_WEBHOOKS_S: Final = 2.0
_CLOSE_S: Final = 0.3
_LAST_SPANS_S: Final = (0.5, 2.0)
# The time that is left before the deadline when webhooks, connections, spans and records have to be ready.
_WEBHOOKS_LEAVE_S: Final = 1.4
_CONNECTIONS_LEAVE_S: Final = 0.9
_SPANS_LEAVE_S: Final = 0.3
_RECORDS_LEAVE_S: Final = 0.1


class Shutdown:
    """Ends predictions, workers, webhooks and connections; its grace time begins with the object."""

    def __init__(self, stop: StopRequest, deadline: EndDeadline, grace_s: float) -> None:
        self._stop = stop
        self._deadline = deadline
        self._grace_s = grace_s
        self._grace_ends = time.monotonic() + grace_s

    async def drain(self, service: PredictionService) -> None:
        """Wait for predictions until the grace time is over or a second stop is requested, then cancel.

        Those that have not started are not waited for.
        """
        service.stop_waiting("Prediction was not run: the server was stopped")
        await self._stop.unless_urgent(service.wait_empty(), self._grace_s)
        if self._stop.has_lost_parent:
            service.leave_running()
        if canceled := service.cancel_all():
            log.warning("%d predictions did not end within the grace time, canceling them", canceled)

    async def stop_workers(self, workers: WorkerSupervisor) -> None:
        """Let the workers exit, and kill those that do not."""
        limit_s = max(self._left_s, _CANCELED_S)
        async with _at_most(limit_s + _KILL_S, "workers"):
            await workers.stop(limit_s)

    async def deliver_last(self, webhooks: Webhooks) -> None:
        """Wait until the last webhooks are delivered."""
        time_left_s = max(self._grace_ends - time.monotonic(), _LAST_WEBHOOKS_S)
        latest_s = self._deadline.left_s - _WEBHOOKS_LEAVE_S
        await self._stop.unless_urgent(webhooks.wait_delivered(), min(time_left_s, latest_s))
        async with _at_most(_CLOSE_S, "webhooks"):
            await webhooks.close()

    async def close(self, *clients: Outgoing) -> None:
        """Close the connections to other servers."""
        async with _at_most(_CLOSE_S, "connections to other servers"):
            for client in clients:
                await client.close()

    async def wait_served(self, serving: list[asyncio.Task[Any]]) -> None:
        """Wait until the last responses are sent and the connections of clients are closed."""
        async with _at_most(self._deadline.left_s - _CONNECTIONS_LEAVE_S, "connections of clients"):
            await asyncio.wait(serving)

    @property
    def last_spans_s(self) -> float:
        """How long the last spans may take to be sent."""
        at_least_s, at_most_s = _LAST_SPANS_S
        left_s = 0.0 if self._stop.is_urgent else self._left_s + _CANCELED_S
        return min(max(left_s, at_least_s), at_most_s, self._deadline.left_s - _SPANS_LEAVE_S)

    @property
    def _left_s(self) -> float:
        return 0.0 if self._stop.is_urgent else self._grace_ends - time.monotonic()


def closing_records(deadline: EndDeadline) -> AbstractAsyncContextManager[None]:
    """Limit the block, in which the store of records is closed."""
    return _at_most(deadline.left_s - _RECORDS_LEAVE_S, "store of records")


@contextlib.asynccontextmanager
async def _at_most(seconds: float, what: str) -> AsyncIterator[None]:
    """Cancel the block after `seconds`, which is logged as the failure of `what` to end."""
    limit = asyncio.timeout(max(seconds, 0.0))
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        log.error("shutdown: the %s did not end in time", what)
