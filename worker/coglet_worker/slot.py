"""The worker's end of one slot: a socket, its deframer, and a writer that batches.

While messages are few, each is sent at once; when there are many, one is batched with its successors for at
most `FLUSH_DELAY_S`. So the first token is not delayed, the last lines before a crash are not lost, and ten
thousand lines do not cost ten thousand system calls. Log text is joined before it is framed.
"""

import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Final

from coglet_protocol import slot
from coglet_protocol.control import LogSource
from coglet_protocol.errors import ProtocolError
from coglet_protocol.framing import Deframer
from coglet_protocol.limits import split_log
from coglet_worker.cancelation import CancelationGate
from coglet_worker.numbering import Numbering

FLUSH_DELAY_S: Final = 0.002
# Token bucket: this many messages in a row are sent at once, plus one for each quiet interval.
_BURST: Final = 64
_QUIET_S: Final = 0.001
_BATCH_BYTES: Final = 64 * 1024
_JOINED_LOG_CHARS: Final = 64 * 1024
_READ_BYTES: Final = 256 * 1024


class SlotBroken(Exception):
    """The supervisor closed the slot or sent unreadable data; no further prediction runs here."""


class Flusher:
    """One thread that writes out what slots have batched."""

    def __init__(self) -> None:
        # A `__del__` may call `put` in the middle of another `put`; with a Condition that would deadlock.
        self._due: SimpleQueue[SlotConnection] = SimpleQueue()
        threading.Thread(target=self._run, name="cog-flusher", daemon=True).start()

    def schedule(self, connection: "SlotConnection") -> None:
        """Flush `connection` after `FLUSH_DELAY_S`."""
        self._due.put(connection)

    def _run(self) -> None:
        while True:
            due = [self._due.get()]
            time.sleep(FLUSH_DELAY_S)
            while not self._due.empty():
                due.append(self._due.get())
            for connection in due:
                connection.flush()


class SlotConnection:
    """One slot. Any thread may send; only the thread of the slot's loop receives."""

    def __init__(self, path: str, gate: CancelationGate, flusher: Flusher, numbering: Numbering) -> None:
        self.id = str(uuid.uuid4())
        self.is_poisoned = False  # reported to the supervisor: no further prediction runs here
        self.on_broken: Callable[[SlotConnection, str], None] | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(path)
        self._gate = gate
        self._flusher = flusher
        self._numbering = numbering
        self._deframer = Deframer()
        self._read_buffer = memoryview(bytearray(_READ_BYTES))
        self._received: deque[bytes] = deque()
        self._lock = threading.Lock()
        self._buffer = bytearray()
        self._log_source: LogSource = "stdout"
        self._log_parts: list[str] = []
        self._log_chars = 0
        self._scheduled = False
        self._burst_left = float(_BURST)
        self._last_write = 0.0
        self._broken: str | None = None

    def fileno(self) -> int:
        """Return the socket's descriptor, for `loop.add_reader`."""
        return self._socket.fileno()

    def receive(self) -> slot.Predict | None:
        """Block until the next prediction; return None after EOF between frames.

        Raises SlotBroken if the socket fails, at EOF inside a frame, or for an unreadable message.
        """
        while not self._received:
            if not self.read_available():
                return None
        return self.next_received()

    def read_available(self) -> bool:
        """Read once from the socket, which blocks if it is not readable. Return False at EOF.

        Raises SlotBroken if the socket fails, at EOF inside a frame, or for an oversized frame.
        """
        try:
            # `recv` would have the kernel map and unmap a buffer of this size for each message.
            count = self._socket.recv_into(self._read_buffer)
            self._received.extend(self._deframer.feed(bytes(self._read_buffer[:count])))
        except (OSError, ProtocolError) as error:
            raise SlotBroken(f"slot {self.id}: {error}") from error
        if not count and self._deframer.mid_frame:
            raise SlotBroken(f"slot {self.id}: the supervisor closed it inside a frame")
        return count > 0

    def next_received(self) -> slot.Predict | None:
        """Return the next prediction that was read completely, or None.

        Raises SlotBroken if the message is unreadable.
        """
        if not self._received:
            return None
        payload = self._received.popleft()
        try:
            message = slot.decode_to_worker(payload)
        except ProtocolError as error:
            raise SlotBroken(f"slot {self.id}: {error}") from error
        return message if message.sequence else self._numbering.number(self.id, message)

    def stop_receiving(self) -> None:
        """Make `receive` return None after the predictions already received. Any thread may call it."""
        try:
            self._socket.shutdown(socket.SHUT_RD)
        except OSError:
            return  # the supervisor has closed it already

    def close(self) -> None:
        """Close the descriptor in a forked child; the connection of the worker stays open."""
        self._socket.close()

    def log(self, source: LogSource, text: str) -> None:
        """Send text of the running prediction; adjacent pieces of one source become one message."""
        with self._gate.shielded(), self._lock:
            if self._log_parts and self._log_source != source:
                self._seal_log()
            self._log_source = source
            self._log_parts.append(text)
            self._log_chars += len(text)
            if self._log_chars > _JOINED_LOG_CHARS:
                self._seal_log()
            self._write_soon()

    def send(self, message: slot.FromWorker, *, now: bool = False) -> None:
        """Send any other message, in order with the logs; with `now` without delay, as a client waits."""
        encoded = slot.encode_frame(message)
        shield = self._gate.shielded()
        if shield.depth:
            shield.postpone(partial(self.send, message, now=now))
            return
        with shield, self._lock:
            self._seal_log()
            self._buffer += encoded
            if now:
                self._write_out()
            else:
                self._write_soon()

    def flush(self) -> None:
        """Write out what was batched."""
        with self._gate.shielded(), self._lock:
            self._scheduled = False
            self._write_out()

    def _seal_log(self) -> None:
        if self._log_parts:
            for text in split_log("".join(self._log_parts)):
                self._buffer += slot.encode_frame(slot.Log(source=self._log_source, data=text))
            self._log_parts.clear()
            self._log_chars = 0

    def _write_soon(self) -> None:
        if self._scheduled:
            if len(self._buffer) >= _BATCH_BYTES:
                self._write_out()
            return
        quiet_s = time.monotonic() - self._last_write
        self._burst_left = min(_BURST, self._burst_left + quiet_s / _QUIET_S)
        if self._burst_left >= 1:
            self._burst_left -= 1
            self._write_out()
        else:
            self._scheduled = True
            self._flusher.schedule(self)

    def _write_out(self) -> None:
        # The write blocks while the lock is held. That is the back-pressure: code that prints or yields
        # faster than the supervisor reads waits here. The supervisor never stops reading a slot.
        self._seal_log()
        if not self._buffer:
            return
        if self._broken is None:
            try:
                self._socket.sendall(self._buffer)
            except OSError as error:
                self._broken = f"cannot write to slot {self.id}: {error}"
                if self.on_broken is not None:
                    self.on_broken(self, self._broken)
        self._buffer.clear()
        self._last_write = time.monotonic()
