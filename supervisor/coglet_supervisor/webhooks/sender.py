"""Brings webhooks to one receiver: attempts and retries."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Final
from weakref import WeakValueDictionary

from coglet_supervisor.outgoing.client import (
    Answer,
    Message,
    NeverSendable,
    Outgoing,
    SendFailed,
    check_url,
    origin_of,
)
from coglet_supervisor.webhooks.retry import RETRY_DELAYS_S, Outage, judge
from coglet_supervisor.webhooks.send_turns import GivenUp, Receiver, Turn, Turns
from coglet_supervisor.webhooks.signature import Signer, new_message_id

log = logging.getLogger(__name__)

ATTEMPT_LIMIT_S: Final = 30.0


class NotDelivered(Exception):
    """The receiver does not have it; the text says why."""

    log_level: int = logging.WARNING


class NeverDelivered(NotDelivered):
    """The receiver will have nothing of this prediction: no request can be sent to its URL."""


class _MayRecover(NotDelivered):
    """The next attempt may reach the receiver."""


class _Spared(_MayRecover):
    """An attempt that was not made, because it is known how it ends."""

    # There is one for each event of each prediction, as long as the receiver is away.
    log_level = logging.DEBUG


class _Origin:
    """What all who send to one origin share."""

    def __init__(self) -> None:
        self.receiver = Receiver()
        self.outage = Outage()
        self._woken = asyncio.Event()

    async def pause(self, delay_s: float) -> None:
        """Waits for `delay_s` seconds, or until there is a reason to try earlier."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._woken.wait()

    def wake(self) -> None:
        """Ends all pauses."""
        self._woken.set()
        self._woken = asyncio.Event()


class Origins:
    """The origins to which anybody sends; one is forgotten with its last sender."""

    def __init__(self) -> None:
        self.turns = Turns()
        self._by_name: WeakValueDictionary[str, _Origin] = WeakValueDictionary()

    def find(self, name: str) -> _Origin:
        """The origin of that name, `scheme://host:port`."""
        return self._by_name.setdefault(name, _Origin())

    def wake(self) -> None:
        """What waits for its next attempt makes it now."""
        for origin in list(self._by_name.values()):
            origin.wake()


class Sender:
    """Sends to `url`, signed when there is a signer. Raises UnusableUrl when that is impossible."""

    def __init__(
        self,
        outgoing: Outgoing,
        origins: Origins,
        *,
        url: str,
        headers: Mapping[bytes, bytes],
        signer: Signer | None = None,
    ) -> None:
        check_url(url)
        self.origin_name = origin_of(url)
        self._outgoing = outgoing
        self._origin = origins.find(self.origin_name)
        self._turns = origins.turns
        self._url = url
        self._headers = headers
        self._signer = signer

    def turn(self) -> AbstractAsyncContextManager[Turn]:
        """Waits until one more attempt may be made at the same time; it is to be made in the block."""
        return self._turns.take(self._origin.receiver)

    async def attempt(self, body: bytes, turn: Turn) -> None:
        """The only attempt, within a turn. Raises NotDelivered."""
        await self._attempt(body, new_message_id(), turn)

    async def persist(self, body: bytes, prediction_id: str) -> None:
        """Attempts until it is delivered. Raises NotDelivered after the last one."""
        message_id = new_message_id()
        for delay_s in RETRY_DELAYS_S:
            try:
                async with self.turn() as turn:
                    return await self._attempt(body, message_id, turn)
            except _MayRecover as error:
                log.log(
                    error.log_level,
                    "prediction %s: webhook to %s failed, trying again in %g s: %s",
                    prediction_id,
                    self.origin_name,
                    delay_s,
                    error,
                )
            await self._origin.pause(delay_s)
        async with self.turn() as turn:
            await self._attempt_really(body, message_id, turn)

    async def _attempt(self, body: bytes, message_id: str, turn: Turn) -> None:
        if self._origin.outage.spares(time.monotonic()):
            raise _Spared("it could not be reached just before")
        await self._attempt_really(body, message_id, turn)

    async def _attempt_really(self, body: bytes, message_id: str, turn: Turn) -> None:
        outage = self._origin.outage
        try:
            answer = await self._post(body, message_id, turn)
        except _MayRecover:
            outage.failed(time.monotonic())
            raise
        verdict = judge(answer.status, redirects=answer.location is not None)
        if verdict == "away":
            outage.failed(time.monotonic())
        elif outage.reached():
            self._origin.wake()
        if verdict != "delivered":
            failure = NotDelivered if verdict == "refused" else _MayRecover
            raise failure(f"it answered with status {answer.status}")

    async def _post(self, body: bytes, message_id: str, turn: Turn) -> Answer:
        headers = self._headers
        if self._signer is not None:
            headers = {**headers, **self._signer.headers(message_id, int(time.time()), body)}
        message = Message(method="POST", url=self._url, headers=headers, body=body)
        try:
            async with turn.sending():
                return await self._outgoing.send(message, limit_s=ATTEMPT_LIMIT_S)
        except NeverSendable as error:
            raise NeverDelivered(str(error)) from error
        except (SendFailed, GivenUp) as error:
            raise _MayRecover(str(error)) from error
