"""Slots: the units of concurrency, and the pool that hands them out.

A slot is free again before anybody hears of the end of its prediction, so that a client that sends the next
request the moment it has the answer finds it free.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections import deque
from dataclasses import dataclass
from typing import Protocol, cast

from coglet_protocol import slot
from coglet_protocol.errors import ProtocolError
from coglet_protocol.framing import Deframer
from coglet_supervisor.time_limits import PARTS

log = logging.getLogger(__name__)

_ENDS = (slot.Done, slot.Failed, slot.Cancelled)


class SlotRun(Protocol):
    """What a slot needs of the run that it belongs to: `PredictionRun`, or a test's."""

    @property
    def id(self) -> str: ...

    @property
    def sequence(self) -> int: ...

    def receive(self, message: slot.FromWorker) -> None: ...

    def fail(self, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Idle:
    """Takes the next prediction."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Belongs to a run, which may still be preparing its input."""

    run: SlotRun


@dataclass(frozen=True, slots=True)
class Poisoned:
    """Takes none any more; the process behind it is broken or gone."""

    reason: str


SlotState = Idle | Busy | Poisoned


class SlotOwner(Protocol):
    """The worker process behind a slot, as the slot needs to know it."""

    cancel_grace_s: float | None

    def cancel(self, slot_id: str, prediction_id: str, sequence: int) -> None: ...

    def replace(self, reason: str) -> None: ...

    def slot_connected(self, connected: Slot) -> None: ...

    def slot_idle(self) -> None: ...

    def prediction_ended(self) -> None: ...

    def prediction_lost(self) -> None: ...

    def slot_lost(self, lost: Slot, reason: str) -> None: ...

    def is_worker(self, peer: socket.socket) -> bool: ...


class SlotPool:
    """Which slots are free. The only one that hands them out."""

    def __init__(self) -> None:
        self._free: deque[Slot] = deque()
        self._members: set[Slot] = set()

    @property
    def size(self) -> int:
        return len(self._members)

    @property
    def free(self) -> int:
        return len(self._free)

    def add(self, member: Slot) -> None:
        """A new idle slot."""
        self._members.add(member)
        self._free.append(member)

    def remove(self, member: Slot) -> None:
        """A slot that takes no prediction any more. Safe to repeat."""
        self._members.discard(member)
        if member in self._free:
            self._free.remove(member)

    def acquire(self) -> Slot | None:
        """The slot that has been free longest, or None."""
        return self._free.popleft() if self._free else None

    def release(self, member: Slot) -> None:
        """The prediction on it has ended."""
        if member in self._members:
            self._free.append(member)


class SlotSocket(asyncio.Protocol):
    """One connection to a slot's path: the worker's, or a stranger's, which is closed."""

    def __init__(self, owner: SlotOwner, slot_of_path: Slot) -> None:
        self._owner = owner
        self._slot = slot_of_path
        self._deframer = Deframer()
        self._accepted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.Transport", transport)  # uvloop's own class does not derive from it
        peer = transport.get_extra_info("socket")
        if self._slot.is_connected or not self._owner.is_worker(peer):
            log.warning("process %s connected to slot %s; closed", peer_pid(peer), self._slot.id)
            stream.abort()
            return
        self._accepted = True
        self._slot.connected(stream)
        self._owner.slot_connected(self._slot)

    def data_received(self, data: bytes) -> None:
        try:
            for payload in self._deframer.feed(data):
                self._slot.receive(slot.decode_from_worker(payload))
        except ProtocolError as error:
            self._slot.poison(f"Worker sent what cannot be read: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._accepted:
            return
        if self._deframer.mid_frame:
            log.warning("slot %s was closed inside a frame", self._slot.id)
        self._slot.disconnected()


def peer_pid(peer: socket.socket) -> int | None:
    """The process at the other end of a Unix socket; None where the system does not tell."""
    if hasattr(socket, "SO_PEERCRED"):
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int.from_bytes(credentials[:4], sys.byteorder)
    return None


class Slot:
    """One slot: its state, and the supervisor's end of its socket."""

    def __init__(self, pool: SlotPool, owner: SlotOwner) -> None:
        self.id = "(not ready)"
        self._state: SlotState = Idle()
        self._is_retired = False
        self._pool = pool
        self._owner = owner
        self._transport: asyncio.Transport | None = None

    @property
    def is_busy(self) -> bool:
        return isinstance(self._state, Busy)

    @property
    def is_connected(self) -> bool:
        return self._transport is not None

    def open(self, slot_id: str) -> None:
        """Goes into the pool, under the id that the worker has chosen for it."""
        self.id = slot_id
        self._pool.add(self)

    # for its socket

    def connected(self, transport: asyncio.Transport) -> None:
        """The worker has opened its end."""
        self._transport = transport

    def disconnected(self) -> None:
        """The worker has closed its end, or is gone."""
        self._transport = None
        self._owner.slot_lost(self, "Worker closed the slot")

    # for the run of a prediction

    def take(self, run: SlotRun) -> None:
        """Belongs to `run` from now on. The slot was acquired from the pool."""
        assert isinstance(self._state, Idle), self._state
        self._state = Busy(run)

    def send(self, message: slot.Predict) -> None:
        """Hands the prediction to the worker. Raises ProtocolError if it fits into no frame."""
        frame = slot.encode_frame(message)
        if self._transport is not None:
            self._transport.write(frame)
        # Without a transport the worker is dying, and `poison` is about to fail this prediction.

    def cancel(self) -> None:
        """Asks the worker to stop the prediction that it runs here, and replaces a worker that does not."""
        assert isinstance(self._state, Busy), self._state
        run = self._state.run
        self._owner.cancel(self.id, run.id, run.sequence)
        if self._owner.cancel_grace_s is not None:
            self._await_cancel(run.id, run.sequence, self._owner.cancel_grace_s, PARTS)

    def release(self) -> None:
        """Takes the next prediction: the worker is done with this one, or has never heard of it."""
        self._state = Idle()
        self._pool.release(self)
        if self._is_retired:
            self._owner.slot_idle()

    def _await_cancel(self, prediction_id: str, sequence: int, grace_s: float, parts_left: int) -> None:
        # Not the run itself: its output would stay in memory for as long.
        if not isinstance(self._state, Busy) or self._state.run.sequence != sequence:
            return
        if parts_left:
            arguments = (prediction_id, sequence, grace_s, parts_left - 1)
            asyncio.get_running_loop().call_later(grace_s / PARTS, self._await_cancel, *arguments)
        else:  # the slot is never given away while its code still runs, so it is the code that goes
            self._owner.replace(f"prediction {prediction_id} ignored its cancel for {grace_s:g} s")

    # for its worker

    def retire(self) -> None:
        """Takes no further prediction; the one that runs goes on."""
        self._is_retired = True
        self._pool.remove(self)

    def poison(self, reason: str) -> None:
        """No prediction runs here any more; the one that does fails with `reason`. Safe to repeat."""
        state, self._state = self._state, Poisoned(reason)
        self._pool.remove(self)
        if self._transport is not None:
            self._transport.abort()
        if isinstance(state, Busy):
            state.run.fail(reason)
            self._owner.prediction_lost()
        if self._is_retired:
            self._owner.slot_idle()

    def receive(self, message: slot.FromWorker) -> None:
        """A message of the worker, of the prediction that runs. Raises ProtocolError."""
        if not isinstance(self._state, Busy):
            log.warning("slot %s sent %s while it runs nothing", self.id, type(message).__name__)
            return
        run = self._state.run
        if not isinstance(message, _ENDS):
            run.receive(message)
            return
        if message.id != run.id:
            raise ProtocolError(f"end of {message.id!r} while {run.id!r} runs")
        # First the slot, then the end of the prediction: see the module's first lines.
        self.release()
        run.receive(message)
        self._owner.prediction_ended()
