"""Sending the events of a prediction as an HTTP response (server-sent events)."""

from typing import Final, Protocol

from coglet_supervisor.client_tasks import StartTask
from coglet_supervisor.http.request import HttpError, Request, Send, respond
from coglet_supervisor.predictions.stream import Subscription, TooManySubscribers

NOT_KEPT: Final = "The events of this prediction are not kept."
EVENT_STREAM: Final = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # without it, nginx and other proxies buffer the events
)


class EventSource(Protocol):
    """A PredictionRun, or the PredictionStream of one that has ended."""

    def subscribe(self, after: int | None) -> Subscription: ...

    def unsubscribe(self, subscriber: Subscription) -> None: ...


def accepts_events(accept: str | None) -> bool:
    """True if `Accept` contains `text/event-stream`; a wildcard does not request a stream."""
    parts = (part.partition(";")[0].strip() for part in (accept or "").split(","))
    return "text/event-stream" in parts


async def send_events(source: EventSource, request: Request, send: Send, start_task: StartTask) -> None:
    """Send the events after `Last-Event-ID`, or all that are kept, until the end or a disconnect.

    Responds with 204 if the client has read all of them.
    Raises HttpError 429 if too many clients read them.
    """
    try:
        subscriber = source.subscribe(_last_event_id(request))
    except TooManySubscribers:
        raise HttpError.json(429, {"error": "Too many stream subscribers"}) from None
    if subscriber.is_over:  # at any other status, an EventSource would ask again and again
        source.unsubscribe(subscriber)
        await respond(send, 204, b"")
        return
    await send({"type": "http.response.start", "status": 200, "headers": EVENT_STREAM})
    # `Exchange` sends the head with the first piece of the body, and an EventSource is open once it has
    # the head.
    await send({"type": "http.response.body", "body": b"", "more_body": True})
    watch = start_task(_close_on_disconnect(request, subscriber))
    try:
        while (chunk := await subscriber.next_chunk()) is not None:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        watch.cancel()
        source.unsubscribe(subscriber)


def _last_event_id(request: Request) -> int | None:
    value = request.header(b"last-event-id") or ""
    return int(value) if value.isdecimal() and len(value) <= 18 else None


async def _close_on_disconnect(request: Request, subscriber: Subscription) -> None:
    await request.wait_disconnect()
    subscriber.close()
