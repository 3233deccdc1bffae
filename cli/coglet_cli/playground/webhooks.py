"""Queues of received webhooks for the pages that wait for them."""

import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Final

# A page reads its events immediately; these limits are for tokens without a page.
_MOST_TOKENS: Final = 64
_MOST_EVENTS: Final = 1000


class WebhookHub:
    """A queue of events for each token. Thread-safe."""

    def __init__(self) -> None:
        self._queues: OrderedDict[str, deque[bytes]] = OrderedDict()
        self._changed = threading.Condition()
        self._is_closed = False

    def put(self, token: str, event: bytes) -> None:
        """Add an event to the queue of a token; a full queue drops its oldest one."""
        with self._changed:
            self._queue(token).append(event)
            self._changed.notify_all()

    def events(self, token: str, patience_s: float) -> Iterator[bytes | None]:
        """Yield the events of a token as they arrive, and None whenever none has arrived for `patience_s`."""
        while not self._is_closed:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed or self._queue(token), patience_s)
                queue = self._queue(token)
                event = queue.popleft() if queue else None
            yield event

    def close(self) -> None:
        """End all iterators of `events`."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _queue(self, token: str) -> deque[bytes]:
        queue = self._queues.setdefault(token, deque(maxlen=_MOST_EVENTS))
        self._queues.move_to_end(token)
        while len(self._queues) > _MOST_TOKENS:
            self._queues.popitem(last=False)
        return queue
