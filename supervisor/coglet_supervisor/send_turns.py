"""Who may send next, when more webhooks are due than may be under way at once.

Turns go to the receiver with the fewest sends under way. A send that takes long gives its turn to another, so
that receivers which never answer do not hold up the rest. When too many take long, one of them is given up:
the oldest to the receiver that has most.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

MAX_PROMPT: Final = 64
"""How many sends are under way at once, not counting those that take long."""
MAX_TO_ONE: Final = 16
"""How many of all are to one receiver."""
MAX_SLOW: Final = 256
SLOW_AFTER_S: Final = 2.0


class GivenUp(Exception):
    """A send without an answer had to make room for others."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How many sends may be under way, and after how many seconds one takes long."""

    prompt: int = MAX_PROMPT
    to_one: int = MAX_TO_ONE
    slow: int = MAX_SLOW
    slow_after_s: float = SLOW_AFTER_S


class Turn:
    """One send under way to `receiver`. `had_to_wait`: others were to be waited for."""

    def __init__(self, receiver: str, *, had_to_wait: bool) -> None:
        self.receiver = receiver
        self.had_to_wait = had_to_wait
        self._limit: asyncio.Timeout | None = None
        self.is_given_up = False

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """The block may be ended to make room. Raises GivenUp."""
        try:
            async with asyncio.timeout(0 if self.is_given_up else None) as self._limit:
                yield
        except TimeoutError:
            if self.is_given_up and self._limit is not None and self._limit.expired():
                raise GivenUp("no answer, and many others wait") from None
            raise
        finally:
            self._limit = None

    def give_up(self) -> None:
        """Ends the block of `sending`."""
        self.is_given_up = True
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time())


class Turns:
    """Hands out turns, on one event loop."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._prompt = 0
        self._slow: dict[Turn, None] = {}  # in the order in which they became so
        self._under_way: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def take(self, receiver: str) -> AsyncIterator[Turn]:
        """Waits until one more send to `receiver` may be under way; it is to be made in the block."""
        turn = Turn(receiver, had_to_wait=bool(self._waiting) or not self._may_begin(receiver))
        if turn.had_to_wait:
            await self._wait_turn(receiver)
        else:
            self._begin(receiver)
        timer = asyncio.get_running_loop().call_later(self._limits.slow_after_s, self._became_slow, turn)
        try:
            yield turn
        finally:
            timer.cancel()
            self._ended(turn)

    def _may_begin(self, receiver: str) -> bool:
        return self._prompt < self._limits.prompt and self._under_way[receiver] < self._limits.to_one

    def _begin(self, receiver: str) -> None:
        self._prompt += 1
        self._under_way[receiver] += 1

    async def _wait_turn(self, receiver: str) -> None:
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(receiver, deque()).append(granted)
        self._grant()
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():  # the turn has come in the same moment
                self._prompt -= 1
                self._leave(receiver)
            else:
                self._forget(receiver, granted)
            raise

    def _grant(self) -> None:
        """Lets begin who may. Of several receivers, the one with the fewest sends under way is first."""
        while self._prompt < self._limits.prompt:
            able = [each for each in self._waiting if self._under_way[each] < self._limits.to_one]
            if not able:
                return
            receiver = min(able, key=self._under_way.__getitem__)
            granted = self._waiting[receiver][0]
            self._forget(receiver, granted)
            if not granted.done():  # else its task was canceled just now
                self._begin(receiver)
                granted.set_result(None)

    def _forget(self, receiver: str, granted: "asyncio.Future[None]") -> None:
        queue = self._waiting.get(receiver, deque())
        with suppress(ValueError):
            queue.remove(granted)
        if not queue:
            self._waiting.pop(receiver, None)

    def _became_slow(self, turn: Turn) -> None:
        self._prompt -= 1
        self._slow[turn] = None
        patient = [each for each in self._slow if not each.is_given_up]
        if len(patient) > self._limits.slow:
            slow_to = Counter(each.receiver for each in patient)
            most = max(slow_to.values())
            next(each for each in patient if slow_to[each.receiver] == most).give_up()
        self._grant()

    def _ended(self, turn: Turn) -> None:
        if turn in self._slow:
            del self._slow[turn]
        else:
            self._prompt -= 1
        self._leave(turn.receiver)

    def _leave(self, receiver: str) -> None:
        self._under_way[receiver] -= 1
        if not self._under_way[receiver]:
            del self._under_way[receiver]
        self._grant()
