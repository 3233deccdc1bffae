"""Sending webhooks to one receiver: attempts and retries."""

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
from coglet_supervisor.webhooks.outcomes import Outcomes
from coglet_supervisor.webhooks.retry import RETRY_DELAYS_S, CircuitBreaker, judge
from coglet_supervisor.webhooks.send_turns import GivenUp, Receiver, Turn, Turns
from coglet_supervisor.webhooks.signature import Signer, new_message_id

log = logging.getLogger(__name__)

ATTEMPT_LIMIT_S: Final = 30.0


class NotDelivered(Exception):
    """The webhook was not delivered; the text says why."""

    log_level: int = logging.WARNING


class NeverDelivered(NotDelivered):
    """No webhook of this prediction can be delivered, because no request can be sent to the URL."""


class _MayRecover(NotDelivered):
    """The next attempt may succeed."""


class _CircuitOpen(_MayRecover):
    """An attempt that was skipped because the receiver is unavailable."""

    # While the receiver is unavailable, there may be one per event of each prediction.
    log_level = logging.DEBUG


class _Origin:
    """The state shared by all senders to one origin."""

    def __init__(self) -> None:
        self.receiver = Receiver()
        self.circuit = CircuitBreaker()
        self._woken = asyncio.Event()

    async def pause(self, delay_s: float) -> None:
        """Wait for `delay_s` seconds or until `wake`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._woken.wait()

    def wake(self) -> None:
        """End all pauses."""
        self._woken.set()
        self._woken = asyncio.Event()


class Origins:
    """The origins in use; an origin is removed with its last sender. All senders count in `outcomes`."""

    def __init__(self, outcomes: Outcomes) -> None:
        self.turns = Turns()
        self.outcomes: Final = outcomes
        self._by_name: WeakValueDictionary[str, _Origin] = WeakValueDictionary()

    def find(self, name: str) -> _Origin:
        """Return the origin of that name, `scheme://host:port`."""
        return self._by_name.setdefault(name, _Origin())

    def wake(self) -> None:
        """Make all senders that wait for their next attempt make it now."""
        for origin in list(self._by_name.values()):
            origin.wake()


class Sender:
    """Sends to `url`, signed if there is a signer.

    The constructor raises UnusableUrl if the URL is invalid.
    """

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
        self._outcomes = origins.outcomes
        self._url = url
        self._headers = headers
        self._signer = signer

    def turn(self) -> AbstractAsyncContextManager[Turn]:
        """Wait until one more send may start; the block makes the attempt."""
        return self._turns.take(self._origin.receiver)

    async def attempt(self, body: bytes, turn: Turn) -> None:
        """Make a single attempt, within a turn. Raises NotDelivered if it fails."""
        await self._attempt(body, new_message_id(), turn)

    async def persist(self, body: bytes, prediction_id: str, message_id: str) -> None:
        """Retry until it is delivered.

        Raises NotDelivered after the last attempt, or if a retry is useless.
        """
        for delay_s in RETRY_DELAYS_S:
            try:
                async with self.turn() as turn:
                    return await self._attempt(body, message_id, turn)
            except _MayRecover as error:
                self._outcomes.count("completed", "retried")
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
            await self._send(body, message_id, turn)

    async def _attempt(self, body: bytes, message_id: str, turn: Turn) -> None:
        if self._origin.circuit.is_open(time.monotonic()):
            raise _CircuitOpen("not attempted, because the receiver was unavailable a moment ago")
        await self._send(body, message_id, turn)

    async def _send(self, body: bytes, message_id: str, turn: Turn) -> None:
        circuit = self._origin.circuit
        try:
            answer = await self._post(body, message_id, turn)
        except _MayRecover:
            circuit.failed(time.monotonic())
            raise
        verdict = judge(answer.status, redirects=answer.location is not None)
        if verdict == "unavailable":
            circuit.failed(time.monotonic())
        elif circuit.reached():
            self._origin.wake()
        if verdict != "delivered":
            failure = NotDelivered if verdict == "refused" else _MayRecover
            raise failure(f"the receiver responded with status {answer.status}")

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
