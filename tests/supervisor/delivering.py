"""Webhooks in isolation: predictions without workers, and real receivers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager

from testing.receiver import Received, Receiver
from tests.supervisor.running import new_prediction

from coglet_protocol.url_guard import UrlGuard
from coglet_supervisor.outgoing.client import Outgoing
from coglet_supervisor.predictions.hook import Hook
from coglet_supervisor.predictions.prediction import Listener, Prediction
from coglet_supervisor.webhooks.authentication import Authentication
from coglet_supervisor.webhooks.delivery import Webhooks
from coglet_supervisor.webhooks.queue import WebhookEvent
from coglet_supervisor.webhooks.token import WebhookToken

ALL: tuple[WebhookEvent, ...] = ("start", "output", "logs", "completed")


@asynccontextmanager
async def delivering(
    *,
    interval_s: float = 0.5,
    token: WebhookToken | None = None,
    guard: UrlGuard | None = None,
    on_delivered: Callable[[str, float], None] = lambda prediction_id, created_at: None,
) -> AsyncIterator[Webhooks]:
    """Yield webhooks; leaving the block waits for all deliveries."""
    outgoing = Outgoing(guard or UrlGuard())
    async with asyncio.TaskGroup() as tasks:
        webhooks = Webhooks(
            outgoing,
            tasks.create_task,
            interval_s=interval_s,
            authentication=Authentication(token),
            on_delivered=on_delivered,
        )
        yield webhooks
        await webhooks.wait_delivered()
        await outgoing.close()


def started(
    webhooks: Webhooks,
    url: str,
    events: Collection[WebhookEvent] = ALL,
    prediction_id: str = "p",
    others: Sequence[Listener] = (),
) -> Prediction:
    """Return a started prediction whose events are sent to `url`."""
    prediction = new_prediction([webhooks.listener(Hook(url, tuple(events))), *others], id=prediction_id)
    prediction.start()
    return prediction


async def arrived(receiver: Receiver, count: int) -> list[Received]:
    return await asyncio.to_thread(receiver.wait_count, count)


async def arrived_at(receiver: Receiver, path: str, count: int) -> None:
    def has_arrived(received: list[Received]) -> bool:
        return sum(request.path == path for request in received) >= count

    await asyncio.to_thread(receiver.wait_until, has_arrived, f"{count} requests for {path}")


def statuses(receiver: Receiver) -> list[str]:
    return [body["status"] for body in receiver.bodies()]
