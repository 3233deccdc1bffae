"""Delivery of webhooks: for each prediction, one task sends in order what its queue decides.

Delivery never delays a prediction: handling an event takes one look-up in a set, and a snapshot is made when
its send begins.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Mapping
from typing import Final

from coglet_supervisor.client_tasks import StartTask
from coglet_supervisor.outgoing.client import Outgoing
from coglet_supervisor.predictions.events import Completed, Event, Logged, Produced, Started
from coglet_supervisor.predictions.hook import Hook
from coglet_supervisor.predictions.hosted_body import CONTAINER_BODIES, Bodies
from coglet_supervisor.predictions.prediction import Listener, Prediction, Snapshot
from coglet_supervisor.predictions.record import Record
from coglet_supervisor.versions import versions
from coglet_supervisor.webhooks.authentication import NO_AUTHENTICATION, Authentication
from coglet_supervisor.webhooks.outcomes import Event as Counted
from coglet_supervisor.webhooks.outcomes import Outcome, Outcomes
from coglet_supervisor.webhooks.queue import (
    Backlog,
    Finished,
    SendEnd,
    SendProgress,
    SendStart,
    WaitForNews,
    WebhookEvent,
    WebhookQueue,
)
from coglet_supervisor.webhooks.sender import NeverDelivered, NotDelivered, Origins, Sender
from coglet_supervisor.webhooks.signature import end_message_id

log = logging.getLogger(__name__)

MAX_BACKLOG_BYTES: Final = 256 * 1024 * 1024
"""The most bytes of ended predictions that may wait for delivery. Beyond it, ends are not delivered."""
_BYTES_EACH: Final = 8 * 1024  # the fixed memory of a delivery

_EVENTS: Final[dict[type, WebhookEvent]] = {
    Started: "start",
    Logged: "logs",
    Produced: "output",
    Completed: "completed",
}

_FIXED_HEADERS: Final = {
    b"accept": b"*/*",
    b"content-type": b"application/json",
    b"user-agent": f"coglet/{versions().coglet}".encode(),
}


class Webhooks:
    """Creates the webhook listeners of predictions, and waits for their deliveries at shutdown.

    `interval_s` is the minimum time between two sends for logs. `on_delivered` is called with the id of a
    prediction and the time of its creation when its terminal state was delivered, or never will be: because
    no request can be sent to its URL, the receiver refuses it, or the backlog is full.
    """

    def __init__(
        self,
        outgoing: Outgoing,
        start_task: StartTask,
        *,
        interval_s: float,
        authentication: Authentication = NO_AUTHENTICATION,
        on_delivered: Callable[[str, float], None] = lambda prediction_id, created_at: None,
    ) -> None:
        self._outgoing = outgoing
        self._start_task = start_task
        self._interval_s = interval_s
        self._authentication = authentication
        self._on_delivered = on_delivered
        self._outcomes = Outcomes()
        self._origins = Origins(self._outcomes)
        self._backlog = Backlog(MAX_BACKLOG_BYTES)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def outcomes(self) -> Mapping[tuple[Counted, Outcome], int]:
        """How many webhooks were delivered, or were not, by event."""
        return self._outcomes.counts

    @property
    def waiting_ends(self) -> int:
        """How many predictions have ended, and their terminal state is not delivered yet."""
        return len(self._backlog)

    def count(self, event: Counted, outcome: Outcome) -> None:
        """Count what became of a webhook."""
        self._outcomes.count(event, outcome)

    def listener(self, hook: Hook, bodies: Bodies = CONTAINER_BODIES) -> Listener:
        """Return a listener that sends the events of one prediction that `hook` names.

        Raises UnusableUrl if no request can be sent to its URL.
        """
        queue = WebhookQueue(hook.events, self._interval_s)
        return _Delivery(queue, self._sender(hook), self._backlog, self, bodies)

    def deliver_end(self, record: Record, bodies: Bodies = CONTAINER_BODIES) -> None:
        """Deliver the terminal state of a prediction of an earlier server, which could not."""
        assert record.webhook is not None
        body = bodies(record, record.snapshot())
        sender = self._sender(record.webhook)
        if self._backlog.enter(_BYTES_EACH + len(body)):
            # Without the data of the record: only the body stays in memory.
            work = self._deliver_end(record.id, record.created_at, body, sender)
            self._add(self._start_task(work))
        else:
            self.count("completed", "failed")
            _log_overflow(record.id, sender)
            self.delivered(record.id, record.created_at)

    async def _deliver_end(self, prediction_id: str, created_at: float, body: bytes, sender: Sender) -> None:
        try:
            await sender.persist(body, prediction_id, end_message_id(prediction_id, created_at))
            self.count("completed", "delivered")
        except NotDelivered as error:
            self.count("completed", "failed")
            _log_loss(prediction_id, sender, str(error))
        finally:
            self._backlog.leave(_BYTES_EACH + len(body))
        self.delivered(prediction_id, created_at)

    def _sender(self, hook: Hook) -> Sender:
        headers = {
            **_FIXED_HEADERS,
            **{name.encode(): value.encode("latin-1") for name, value in hook.trace.items()},
        }
        token, signer = self._authentication.token, self._authentication.signer
        if token is not None:
            headers |= token.headers_for(hook.url)
        return Sender(self._outgoing, self._origins, url=hook.url, headers=headers, signer=signer)

    async def wait_delivered(self) -> None:
        """Wait until all deliveries have ended. Those that wait for their next attempt make it now."""
        self._origins.wake()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Cancel the remaining deliveries; each logs what it did not deliver."""
        for task in self._tasks:
            task.cancel()
        await self.wait_delivered()

    def start(self, delivery: _Delivery, prediction: Prediction) -> None:
        """Start the task of a delivery."""
        self._add(self._start_task(delivery.run(prediction)))

    def delivered(self, prediction_id: str, created_at: float) -> None:
        """Note that the terminal state was delivered, or never will be."""
        self._on_delivered(prediction_id, created_at)

    def _add(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Delivery:
    """Sends the events of one prediction to one receiver.

    Its task starts with the first event that it wants.
    """

    def __init__(
        self,
        queue: WebhookQueue,
        sender: Sender,
        backlog: Backlog,
        owner: Webhooks,
        bodies: Bodies,
    ) -> None:
        self._queue = queue
        self._sender = sender
        self._backlog = backlog
        self._owner = owner
        self._bodies = bodies
        self._is_started = False
        # True from the end of the prediction until it was delivered, or is given up.
        self._is_end_due = False
        self._news = asyncio.Event()
        self._bytes_in_backlog = 0

    def on_event(self, prediction: Prediction, event: Event) -> None:
        """Queue the event, and start or wake the task."""
        kind = _EVENTS.get(type(event))
        if kind is None:
            return
        if not self._queue.add(kind):
            if kind == "completed" and self._queue.wants_end:  # given up before its end
                self._owner.count("completed", "failed")
                self._owner.delivered(prediction.id, prediction.created_at)
            return
        if kind == "completed":
            self._is_end_due = self._queue.wants_end
            self._enter_backlog(prediction)
        if self._is_started:
            self._news.set()
        else:
            self._is_started = True
            self._owner.start(self, prediction)

    async def run(self, prediction: Prediction) -> None:
        """Send what the queue decides until it is finished."""
        prediction_id, created_at = prediction.id, prediction.created_at
        try:
            if await self._send_until_end(prediction):
                body = self._bodies(prediction, prediction.snapshot())
                message_id = end_message_id(prediction_id, created_at)
                del prediction  # only the body stays in memory while the receiver is unavailable
                await self._sender.persist(body, prediction_id, message_id)
                self._owner.count("completed", "delivered")
            elif self._bytes_in_backlog:  # given up after its end
                self._owner.count("completed", "failed")
        except NotDelivered as error:
            self._owner.count("completed", "failed")
            _log_loss(prediction_id, self._sender, str(error))
        except asyncio.CancelledError:
            _log_loss(prediction_id, self._sender, "the server is shutting down")
            raise
        finally:
            if self._bytes_in_backlog:
                self._backlog.leave(self._bytes_in_backlog)
        if self._is_end_due:
            self._owner.delivered(prediction_id, created_at)

    async def _send_until_end(self, prediction: Prediction) -> bool:
        """Send the state whenever it is due.

        True once only the end is left to send, False if that is not wanted.
        """
        while True:
            match self._queue.next_step(time.monotonic()):
                case SendStart() | SendProgress():
                    await self._send_progress(prediction)
                case WaitForNews(until):
                    await self._wait_news(until)
                case SendEnd():
                    return True
                case Finished():
                    return False

    async def _send_progress(self, prediction: Prediction) -> None:
        async with self._sender.turn() as turn:
            if turn.had_to_wait:
                self._queue.fell_behind()
            now = time.monotonic()
            step = self._queue.next_step(now)
            if isinstance(step, SendStart):
                snapshot = Snapshot(id=prediction.id, logs="", metrics={}, status="processing")
            elif isinstance(step, SendProgress):
                snapshot = prediction.progress()
            else:
                return  # the prediction has ended in the meantime, and its end includes this
            self._queue.sent(step, now)
            event: Counted = "start" if isinstance(step, SendStart) else "progress"
            try:
                await self._sender.attempt(self._bodies(prediction, snapshot), turn)
                self._owner.count(event, "delivered")
            except NeverDelivered as error:
                self._queue.give_up()
                self._owner.count(event, "failed")
                _log_loss(prediction.id, self._sender, str(error))
            except NotDelivered as error:
                self._queue.fell_behind()
                self._owner.count(event, "failed")
                log.log(
                    error.log_level,
                    "prediction %s: webhook to %s failed: %s",
                    prediction.id,
                    self._sender.origin_name,
                    error,
                )

    async def _wait_news(self, until: float) -> None:
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if until == math.inf else until - time.monotonic()):
                await self._news.wait()

    def _enter_backlog(self, prediction: Prediction) -> None:
        size_bytes = _BYTES_EACH + prediction.kept_bytes + self._bodies.size_bytes
        if self._backlog.enter(size_bytes):
            self._bytes_in_backlog = size_bytes
        else:
            self._queue.give_up()
            self._owner.count("completed", "failed")
            _log_overflow(prediction.id, self._sender)


def _log_loss(prediction_id: str, sender: Sender, reason: str) -> None:
    log.error("prediction %s: webhook to %s was not delivered: %s", prediction_id, sender.origin_name, reason)


def _log_overflow(prediction_id: str, sender: Sender) -> None:
    _log_loss(prediction_id, sender, f"{MAX_BACKLOG_BYTES} bytes are waiting for delivery already")
