"""Who may send next, when more webhooks are due than may be under way at once.

Receivers take turns. One that is silent, because a send to it has been under way for long, comes after all
that are not, and leaves places free for them. When there is no place for one that is not silent, a send that
has been under way for long is given up. So receivers that never answer do not hold up others, even when each
send goes to another one of them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

MAX_SENDS: Final = 256
"""How many sends are under way at once."""
MAX_TO_ONE: Final = 16
"""How many of them are to one receiver."""
MAX_TO_SILENT: Final = 192
"""How many are under way at once when one more to a silent receiver begins."""
SLOW_AFTER_S: Final = 2.0


class GivenUp(Exception):
    """A send without an answer had to make room for another."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How many sends may be under way, and after how many seconds one is slow."""

    total: int = MAX_SENDS
    to_one: int = MAX_TO_ONE
    to_silent: int = MAX_TO_SILENT
    slow_after_s: float = SLOW_AFTER_S


class Receiver:
    """What one receiver has of the turns. Changed by `Turns` alone."""

    def __init__(self) -> None:
        self.waiting: dict[Turn, None] = {}
        self.under_way = 0
        self.is_silent = False


class Turn:
    """One send to `receiver`. `had_to_wait`: others were to be waited for."""

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
        """The block ends when there is an answer. It may be ended to make room. Raises GivenUp."""
        try:
            async with asyncio.timeout(0 if self._is_given_up else None) as self._limit:
                yield
        except TimeoutError:
            if self._is_given_up and self._limit is not None and self._limit.expired():
                raise GivenUp("no answer, and others wait") from None
            raise
        finally:
            self._limit = None
        self.is_answered = True

    def give_up(self) -> None:
        """Ends the block of `sending`."""
        self._is_given_up = True
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time())


class Turns:
    """Hands out turns, on one event loop."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._under_way: set[Turn] = set()
        self._slow: dict[Turn, None] = {}  # those of them that are, in the order in which they became so
        # Receivers whose next turn may come, in the order in which it does.
        self._line: dict[Receiver, None] = {}
        self._silent_line: dict[Receiver, None] = {}

    @asynccontextmanager
    async def take(self, receiver: Receiver) -> AsyncIterator[Turn]:
        """Waits until one more send to `receiver` may be under way; it is to be made in the block."""
        turn = Turn(receiver)
        receiver.waiting[turn] = None
        self._line_up(receiver)
        self._grant()
        turn.had_to_wait = not turn.granted.done()
        try:
            await turn.granted
            yield turn
        finally:
            self._end(turn)

    def _grant(self) -> None:
        """Lets begin who may."""
        while (receiver := self._next_receiver()) is not None:
            turn = next(iter(receiver.waiting))
            del receiver.waiting[turn]
            self._begin(turn)
            self._leave_line(receiver)
            self._line_up(receiver)  # behind the others
            if not turn.granted.done():  # else it was canceled just now
                turn.granted.set_result(None)

    def _next_receiver(self) -> Receiver | None:
        if self._line and (len(self._under_way) < self._limits.total or self._make_room()):
            return next(iter(self._line))
        if self._silent_line and len(self._under_way) < self._limits.to_silent:
            return next(iter(self._silent_line))
        return None

    def _make_room(self) -> bool:
        """Gives up a slow send: of the receiver that has most under way, the oldest."""
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
        self._line_up(turn.receiver)
        self._grant()

    def _end(self, turn: Turn) -> None:
        if turn.is_answered:
            turn.receiver.is_silent = False
        turn.receiver.waiting.pop(turn, None)
        self._remove(turn)
        self._grant()

    def _remove(self, turn: Turn) -> None:
        """It is no longer under way. Safe to repeat."""
        if turn in self._under_way:
            self._under_way.remove(turn)
            self._slow.pop(turn, None)
            turn.receiver.under_way -= 1
            if turn.timer is not None:
                turn.timer.cancel()
        self._line_up(turn.receiver)

    def _line_up(self, receiver: Receiver) -> None:
        """Puts it at the end of the line in which it belongs, unless it has its place there."""
        line = self._silent_line if receiver.is_silent else self._line
        if receiver.waiting and receiver.under_way < self._limits.to_one:
            if receiver not in line:
                self._leave_line(receiver)
                line[receiver] = None
        else:
            self._leave_line(receiver)

    def _leave_line(self, receiver: Receiver) -> None:
        self._line.pop(receiver, None)
        self._silent_line.pop(receiver, None)
