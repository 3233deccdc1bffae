"""Fair scheduling of webhook sends, when more are due than may run concurrently.

Receivers take turns. A receiver is silent while it has not answered a slow send. Silent receivers come after
all others, and may not use all places. If there is no place for a receiver that is not silent, a slow send is
given up. So receivers that never answer do not block others, even if each send goes to a different one of
them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

MAX_SENDS: Final = 256
"""The most concurrent sends."""
MAX_TO_ONE: Final = 16
"""The most concurrent sends to one receiver."""
MAX_TO_SILENT: Final = 192
"""A send to a silent receiver starts only if fewer sends than this are running."""
SLOW_AFTER_S: Final = 2.0


class GivenUp(Exception):
    """A send without a response was stopped to make room for another."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of concurrent sends, and the seconds after which a send is slow."""

    total: int = MAX_SENDS
    to_one: int = MAX_TO_ONE
    to_silent: int = MAX_TO_SILENT
    slow_after_s: float = SLOW_AFTER_S


class Receiver:
    """The turns of one receiver. Only `Turns` changes it."""

    def __init__(self) -> None:
        self.waiting: dict[Turn, None] = {}
        self.under_way = 0
        self.is_silent = False


class Turn:
    """One send to `receiver`. `had_to_wait`: it could not start immediately."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.had_to_wait = False
        self.is_answered = False
        self.timer: asyncio.TimerHandle | None = None
        self._limit: asyncio.Timeout | None = None
        self._is_given_up = False

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Wrap the send, which must end with a response. Raises GivenUp if it was stopped to make room."""
        try:
            async with asyncio.timeout(0 if self._is_given_up else None) as self._limit:
                yield
        except TimeoutError:
            if self._is_given_up and self._limit is not None and self._limit.expired():
                raise GivenUp("no response yet, and other receivers are waiting") from None
            raise
        finally:
            self._limit = None
        self.is_answered = True

    def give_up(self) -> None:
        """Stop the block of `sending`."""
        self._is_given_up = True
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time())


class Turns:
    """Grants turns, on one event loop."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._under_way: set[Turn] = set()
        self._slow: dict[Turn, None] = {}  # the slow ones of `_under_way`, oldest first
        # Receivers that may get another turn, in this order.
        self._queue: dict[Receiver, None] = {}
        self._silent_queue: dict[Receiver, None] = {}

    @asynccontextmanager
    async def take(self, receiver: Receiver) -> AsyncIterator[Turn]:
        """Wait until one more send to `receiver` may start; the block makes it."""
        turn = Turn(receiver)
        receiver.waiting[turn] = None
        self._update_queues(receiver)
        self._grant()
        turn.had_to_wait = not turn.granted.done()
        try:
            await turn.granted
            yield turn
        finally:
            self._end(turn)

    def _grant(self) -> None:
        """Grant turns while the limits permit."""
        while (receiver := self._next_receiver()) is not None:
            turn = next(iter(receiver.waiting))
            del receiver.waiting[turn]
            self._begin(turn)
            self._dequeue(receiver)
            self._update_queues(receiver)  # after the others
            if not turn.granted.done():  # otherwise it has just been canceled
                turn.granted.set_result(None)

    def _next_receiver(self) -> Receiver | None:
        if self._queue and (len(self._under_way) < self._limits.total or self._make_room()):
            return next(iter(self._queue))
        if self._silent_queue and len(self._under_way) < self._limits.to_silent:
            return next(iter(self._silent_queue))
        return None

    def _make_room(self) -> bool:
        """Give up the oldest slow send of the receiver with the most sends; silent receivers come first."""
        if not self._slow:
            return False
        turn = max(self._slow, key=lambda each: (each.receiver.is_silent, each.receiver.under_way))
        turn.give_up()
        self._remove(turn)
        return True

    def _begin(self, turn: Turn) -> None:
        self._under_way.add(turn)
        turn.receiver.under_way += 1
        turn.timer = asyncio.get_running_loop().call_later(self._limits.slow_after_s, self._became_slow, turn)

    def _became_slow(self, turn: Turn) -> None:
        self._slow[turn] = None
        turn.receiver.is_silent = True
        self._update_queues(turn.receiver)
        self._grant()

    def _end(self, turn: Turn) -> None:
        if turn.is_answered:
            turn.receiver.is_silent = False
        turn.receiver.waiting.pop(turn, None)
        self._remove(turn)
        self._grant()

    def _remove(self, turn: Turn) -> None:
        """Note that the send no longer runs. Idempotent."""
        if turn in self._under_way:
            self._under_way.remove(turn)
            self._slow.pop(turn, None)
            turn.receiver.under_way -= 1
            if turn.timer is not None:
                turn.timer.cancel()
        self._update_queues(turn.receiver)

    def _update_queues(self, receiver: Receiver) -> None:
        """Append the receiver to the queue in which it belongs, unless it is there already."""
        queue = self._silent_queue if receiver.is_silent else self._queue
        if receiver.waiting and receiver.under_way < self._limits.to_one:
            if receiver not in queue:
                self._dequeue(receiver)
                queue[receiver] = None
        else:
            self._dequeue(receiver)

    def _dequeue(self, receiver: Receiver) -> None:
        self._queue.pop(receiver, None)
        self._silent_queue.pop(receiver, None)
