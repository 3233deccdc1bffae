"""Brings webhooks to one receiver: attempts, retries, and how many sends are under way at once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Final
from weakref import WeakValueDictionary

from coglet_supervisor.outgoing import Message, NeverSendable, Outgoing, SendFailed, check_url, origin_of
from coglet_supervisor.webhook_queue import RETRY_DELAYS_S, is_delivered, is_worth_retrying

log = logging.getLogger(__name__)

ATTEMPT_LIMIT_S: Final = 30.0

MAX_SENDS: Final = 128
"""How many sends are under way at once, in all and to one origin: a slow one must not take all turns."""
MAX_SENDS_TO_ONE: Final = 32


class NotDelivered(Exception):
    """The receiver does not have it; the text says why."""


class _MayRecover(NotDelivered):
    """The next attempt may reach the receiver."""


class Turns:
    """Who may send now."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(MAX_SENDS)
        # An origin is forgotten with the last sender to it.
        self._by_origin: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def of_origin(self, origin: str) -> asyncio.Semaphore:
        """The turns that all senders to one origin share."""
        return self._by_origin.setdefault(origin, asyncio.Semaphore(MAX_SENDS_TO_ONE))

    @contextlib.asynccontextmanager
    async def take(self, of_origin: asyncio.Semaphore) -> AsyncIterator[None]:
        """Waits for a turn; it is over at the end of the block."""
        async with of_origin, self._all:
            yield


class Sender:
    """Sends to `url`. Raises UnusableUrl when that is impossible.

    Once `hurry` is set, nothing that waits for its next attempt waits any longer.
    """

    def __init__(
        self,
        outgoing: Outgoing,
        turns: Turns,
        hurry: asyncio.Event,
        *,
        url: str,
        headers: Mapping[bytes, bytes],
    ) -> None:
        check_url(url)
        self.origin = origin_of(url)
        self._outgoing = outgoing
        self._turns = turns
        self._turns_of_origin = turns.of_origin(self.origin)
        self._hurry = hurry
        self._url = url
        self._headers = headers

    def turn(self) -> contextlib.AbstractAsyncContextManager[None]:
        """The block in which one attempt may be made."""
        return self._turns.take(self._turns_of_origin)

    async def attempt(self, body: bytes) -> None:
        """One attempt, within a turn. Raises NotDelivered."""
        message = Message(method="POST", url=self._url, headers=self._headers, body=body)
        try:
            answer = await self._outgoing.send(message, limit_s=ATTEMPT_LIMIT_S)
        except NeverSendable as error:
            raise NotDelivered(str(error)) from error
        except SendFailed as error:
            raise _MayRecover(str(error)) from error
        if is_delivered(answer.status):
            return
        retry = is_worth_retrying(answer.status, redirects=answer.location is not None)
        raise (_MayRecover if retry else NotDelivered)(f"it answered with status {answer.status}")

    async def persist(self, body: bytes, prediction_id: str) -> None:
        """Attempts until it is delivered. Raises NotDelivered after the last one."""
        for delay_s in RETRY_DELAYS_S:
            try:
                async with self.turn():
                    return await self.attempt(body)
            except _MayRecover as error:
                log.warning(
                    "prediction %s: webhook to %s failed, trying again in %g s: %s",
                    prediction_id,
                    self.origin,
                    delay_s,
                    error,
                )
            await self._pause(delay_s)
        async with self.turn():
            await self.attempt(body)

    async def _pause(self, delay_s: float) -> None:
        if self._hurry.is_set():
            await asyncio.sleep(delay_s)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._hurry.wait()
