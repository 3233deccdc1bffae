"""Slots, the units of concurrency, and their pool, with the runs that wait for one.

A slot becomes free before the end of its prediction is reported, so that a client can send its next request
as soon as it has the response.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol, cast

from coglet_protocol import slot
from coglet_protocol.errors import ProtocolError
from coglet_protocol.framing import Deframer
from coglet_supervisor.predictions.queue import RunQueue, WaitingRun
from coglet_supervisor.time_limits import PARTS

log = logging.getLogger(__name__)

_ENDS = (slot.Done, slot.Failed, slot.Cancelled)


class SlotRun(Protocol):
    """The part of PredictionRun that a slot uses."""

    @property
    def id(self) -> str: ...

    @property
    def sequence(self) -> int: ...

    def receive(self, message: slot.FromWorker) -> None: ...

    def fail(self, reason: str) -> None: ...


class QueuedRun(WaitingRun, Protocol):
    """The part of PredictionRun that the pool uses."""

    def assign(self, free_slot: Slot) -> None: ...


@dataclass(frozen=True, slots=True)
class Idle:
    """Ready for the next prediction."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Assigned to a run, which may still be writing its input to a file."""

    run: SlotRun


@dataclass(frozen=True, slots=True)
class Poisoned:
    """Accepts no prediction any more: the worker process is broken or has exited."""

    reason: str


SlotState = Idle | Busy | Poisoned


class SlotOwner(Protocol):
    """The part of WorkerProcess that a slot uses."""

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
    """The free slots of all workers, and the queue of runs for which there is none.

    At most one of the two has members: a slot that becomes free goes to the run whose turn it is.
    """

    def __init__(self, queue: RunQueue[QueuedRun] | None = None) -> None:
        self.queue: Final = queue if queue is not None else RunQueue[QueuedRun](max_runs=0)
        self._free: deque[Slot] = deque()
        self._members: set[Slot] = set()

    @property
    def size(self) -> int:
        return len(self._members)

    @property
    def free(self) -> int:
        return len(self._free)

    @property
    def has_room(self) -> bool:
        """True if a prediction with a small input could start, or wait."""
        return bool(self._free) or not self.queue.is_full

    def add(self, member: Slot) -> None:
        """Add a new idle slot."""
        self._members.add(member)
        self._offer(member)

    def remove(self, member: Slot) -> None:
        """Remove a slot that accepts no prediction any more. Idempotent."""
        self._members.discard(member)
        if member in self._free:
            self._free.remove(member)

    def acquire(self) -> Slot | None:
        """Take the slot that has been free longest, or None if all are busy."""
        return self._free.popleft() if self._free else None

    def release(self, member: Slot) -> None:
        """Return a slot whose prediction has ended, unless it was removed."""
        if member in self._members:
            self._offer(member)

    def _offer(self, member: Slot) -> None:
        if len(self.queue):
            self.queue.pop().assign(member)
        else:
            self._free.append(member)


class SlotSocket(asyncio.Protocol):
    """One connection to a slot's socket. A connection of a process other than the worker is closed."""

    def __init__(self, owner: SlotOwner, slot_of_path: Slot) -> None:
        self._owner = owner
        self._slot = slot_of_path
        self._deframer = Deframer()
        self._accepted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.Transport", transport)  # uvloop's own class does not derive from it
        peer = transport.get_extra_info("socket")
        if self._slot.is_connected or not self._owner.is_worker(peer):
            log.warning("closed a connection of process %s to slot %s", peer_pid(peer), self._slot.id)
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
            self._slot.poison(f"Worker sent an invalid message: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._accepted:
            return
        if self._deframer.mid_frame:
            log.warning("slot %s was closed inside a frame", self._slot.id)
        self._slot.disconnected()


def peer_pid(peer: socket.socket) -> int | None:
    """Return the process id of the peer of a Unix socket; None where the system does not report it."""
    if hasattr(socket, "SO_PEERCRED"):
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int.from_bytes(credentials[:4], sys.byteorder)
    return None


class Slot:
    """One slot: its state and the supervisor's end of its socket."""

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
        """Put the slot into the pool, under the id that the worker has chosen for it."""
        self.id = slot_id
        self._pool.add(self)

    # for its socket

    def connected(self, transport: asyncio.Transport) -> None:
        """Note that the worker has connected."""
        self._transport = transport

    def disconnected(self) -> None:
        """Note that the worker has closed the connection, or has exited."""
        self._transport = None
        self._owner.slot_lost(self, "Worker closed the slot")

    # for the run of a prediction

    def take(self, run: SlotRun) -> None:
        """Assign the slot, which was acquired from the pool, to `run`."""
        assert isinstance(self._state, Idle), self._state
        self._state = Busy(run)

    def send(self, message: slot.Predict) -> None:
        """Send the prediction to the worker. Raises ProtocolError if it is too large for a frame."""
        frame = slot.encode_frame(message)
        if self._transport is not None:
            self._transport.write(frame)
        # Without a transport the worker is exiting, and `poison` is about to fail this prediction.

    def cancel(self) -> None:
        """Ask the worker to cancel the slot's prediction; replace it if that takes too long."""
        assert isinstance(self._state, Busy), self._state
        run = self._state.run
        self._owner.cancel(self.id, run.id, run.sequence)
        if self._owner.cancel_grace_s is not None:
            self._await_cancel(run.id, run.sequence, self._owner.cancel_grace_s, PARTS)

    def release(self) -> None:
        """Make the slot free: the worker has ended its prediction, or was never sent it."""
        self._state = Idle()
        self._pool.release(self)
        if self._is_retired:
            self._owner.slot_idle()

    def _await_cancel(self, prediction_id: str, sequence: int, grace_s: float, parts_left: int) -> None:
        # Keeps no reference to the run, whose output would stay in memory for as long.
        if not isinstance(self._state, Busy) or self._state.run.sequence != sequence:
            return
        if parts_left:
            arguments = (prediction_id, sequence, grace_s, parts_left - 1)
            asyncio.get_running_loop().call_later(grace_s / PARTS, self._await_cancel, *arguments)
        else:  # the slot is never reused while the code still runs, so the worker is replaced
            self._owner.replace(f"prediction {prediction_id} ignored its cancel for {grace_s:g} s")

    # for its worker

    def retire(self) -> None:
        """Accept no further prediction; a running one continues."""
        self._is_retired = True
        self._pool.remove(self)

    def poison(self, reason: str) -> None:
        """Close the slot for good: a running prediction fails with `reason`. Idempotent."""
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
        """Handle a message about the running prediction.

        Raises ProtocolError if it ends another prediction.
        """
        if not isinstance(self._state, Busy):
            log.warning("ignored %s of idle slot %s", type(message).__name__, self.id)
            return
        run = self._state.run
        if not isinstance(message, _ENDS):
            run.receive(message)
            return
        if message.id != run.id:
            raise ProtocolError(f"end of {message.id!r} while {run.id!r} runs")
        # Release the slot first: see the module's docstring.
        self.release()
        run.receive(message)
        self._owner.prediction_ended()
