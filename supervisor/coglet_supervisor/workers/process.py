"""One worker process: start, control channel, slots and exit. All messages to the process are sent here.

`WorkerProcess.spawn` is synchronous and does everything that needs no event loop, so that the worker loads
the model while the supervisor is still importing its HTTP stack.
"""

import asyncio
import contextlib
import functools
import logging
import os
import random
import socket
import subprocess
import uuid
from typing import Final

from coglet_protocol import control
from coglet_protocol.cookie import COOKIE_VARIABLE, kill_all
from coglet_protocol.errors import ProtocolError
from coglet_supervisor.cleaning import clean_up
from coglet_supervisor.health import timestamp
from coglet_supervisor.predictions.slots import Slot, SlotPool, SlotSocket, peer_pid
from coglet_supervisor.temporary_folder import TemporaryFolder, slot_name
from coglet_supervisor.workers.control_group import ControlGroup
from coglet_supervisor.workers.control_reader import ControlReader
from coglet_supervisor.workers.exit import wait_exit
from coglet_supervisor.workers.pipes import connect_read_pipe, connect_write_pipe
from coglet_supervisor.workers.process_group import ProcessGroup
from coglet_supervisor.workers.process_usage import usage_of
from coglet_supervisor.workers.recycling import RecycleLimits
from coglet_supervisor.workers.spec import WorkerSpec
from coglet_supervisor.workers.worker import WorkerEvents

log = logging.getLogger(__name__)

# After the process has exited, its last messages may still be in its pipes and sockets.
_DRAIN_TIMEOUT_S: Final = 0.5

# How long an idle worker may take to exit. A worker exits by itself after a second and reports what blocked
# it; this limit is for one that is stopped, or whose C code does not release the interpreter lock.
_EXIT_TIMEOUT_S: Final = 1.6

# How long to wait for a killed worker. Freeing a large memory takes a moment; a device or a file system that
# does not answer delays the exit without limit.
_KILLED_TIMEOUT_S: Final = 1.0


# Like `-m coglet_worker`, but without the model's folder on the path: a `types.py` in there must not shadow
# the standard library's while the worker is imported. Some models use Pythons that are too old for `-P`.
_START_WORKER: Final = (
    "import sys; sys.path[:] = [p for p in sys.path if p]; from coglet_worker.__main__ import main; main()"
)


class WorkerProcess:
    """One worker process.

    `spawn` starts it, `attach` connects it to the event loop, `wait_end` waits for its exit.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        process: "subprocess.Popen[bytes]",
        folder: TemporaryFolder,
        listeners: list[socket.socket],
        cookie: str,
    ) -> None:
        self.spec = spec
        self.spawned_at = timestamp()
        self.cancel_grace_s = spec.cancel_grace_s
        self._limits = RecycleLimits(spec.max_predictions, spec.max_rss_bytes, jitter=random.random())
        self._predictions = 0
        self._has_lost_predictions = False
        self._is_recycle_due = False
        self._process = process
        self._process_group = ProcessGroup(process)
        self._folder = folder
        self._listeners = listeners
        self._cookie = cookie
        self._servers: dict[Slot, asyncio.AbstractServer] = {}
        self._control: asyncio.WriteTransport | None = None
        self._slots: list[Slot] = []
        self._ready: control.Ready | None = None
        self._open_channels = 0
        self._channels_closed = asyncio.Event()
        self._all_idle = asyncio.Event()  # meaningful only after `retire`
        self._events: WorkerEvents | None = None
        self._ended = False
        self._killed = False
        self._has_sent_invalid = False
        self._ending = asyncio.Lock()
        self._group = ControlGroup.of(process.pid)
        self._oom_kills_before = self._oom_kills()

    @classmethod
    def spawn(cls, spec: WorkerSpec) -> "WorkerProcess":
        """Start the process and send it `Init`. Raises OSError, of which NoTemporaryFolder is one."""
        folder = TemporaryFolder.for_sockets(spec.num_slots)
        cookie = uuid.uuid4().hex
        listeners: list[socket.socket] = []
        try:
            for index in range(spec.num_slots):
                listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                listener.bind(str(folder.path / slot_name(index)))
                listener.listen(1)
                listener.setblocking(False)
                listeners.append(listener)
            process = _popen(spec, cookie)
        except OSError:
            for listener in listeners:
                listener.close()
            folder.remove()
            raise
        init = control.Init(
            predictor_ref=spec.predictor_ref,
            num_slots=spec.num_slots,
            transport_info=control.NamedSockets(dir=str(folder.path), num_slots=spec.num_slots),
            is_train=spec.is_train,
            idle=False,
            input_kinds=spec.input_kinds(),
        )
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # a process that has already exited is noticed by `wait_end`
            os.write(process.stdin.fileno(), control.encode_line(init))
        return cls(spec, process, folder, listeners, cookie)

    @property
    def has_healthcheck(self) -> bool:
        """True if the model has a health check of its own."""
        return self._ready is not None and self._ready.has_healthcheck

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def was_out_of_memory(self) -> bool | None:
        """Whether the OOM killer was active in its control group since the start; None if unknown."""
        kills = self._oom_kills()
        if kills is None or self._oom_kills_before is None:
            return None
        return kills > self._oom_kills_before

    def _oom_kills(self) -> int | None:
        return None if self._group is None else self._group.oom_kills()

    async def attach(self, pool: SlotPool, events: WorkerEvents) -> None:
        """Connect the control channel to the event loop, and accept the connections of the slots."""
        loop = asyncio.get_running_loop()
        self._events = events
        self._open_channels = 1
        for listener in self._listeners:
            slot = Slot(pool, self)
            self._slots.append(slot)
            factory = functools.partial(SlotSocket, self, slot)
            server = await loop.create_unix_server(factory, sock=listener, start_serving=False)
            self._servers[slot] = server
            await server.start_serving()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._control = await connect_write_pipe(self._process.stdin)
        reader = ControlReader(self.control_line, self._channel_closed)
        await connect_read_pipe(lambda: reader, self._process.stdout)

    def send(self, message: control.ToWorker) -> None:
        """Send a message to the process. Never blocks; ignored if the process has exited."""
        if self._control is not None and not self._control.is_closing():
            self._control.write(control.encode_line(message))

    def open_slots(self, ids: list[str]) -> None:
        """Put the slots into the pool under these ids, after Ready."""
        for slot, slot_id in zip(self._slots, ids, strict=True):
            slot.open(slot_id)

    def cancel(self, slot_id: str, prediction_id: str, sequence: int) -> None:
        """Ask the process to cancel one prediction."""
        self.send(control.Cancel(slot=slot_id, id=prediction_id, sequence=sequence))
        # The signal interrupts the main thread of a sync model, so that the control thread can run.
        if self._ready is not None and self._ready.cancel_signal and self._process.returncode is None:
            self._process.send_signal(self._ready.cancel_signal)

    def replace(self, reason: str) -> None:
        """Kill the process because of `reason`; its seat starts a new one."""
        log.warning("replacing worker %d: %s", self.pid, reason)
        assert self._events is not None
        self._events.on_replace(reason)
        self.kill_group()

    def slot_named(self, slot_id: str) -> Slot | None:
        """Return the slot with that id, or None."""
        return next((slot for slot in self._slots if slot.id == slot_id), None)

    def slot_lost(self, lost: Slot, reason: str) -> None:
        """Handle a closed slot: fail its prediction, unless the exit of the process gives a better reason."""
        self._channel_closed()
        if self._process.poll() is None and not self._ended:
            # If the process exits soon, `fail_predictions` comes first, with its exit status as the reason.
            asyncio.get_running_loop().call_later(_DRAIN_TIMEOUT_S, lost.poison, reason)

    async def wait_end(self) -> int:
        """Wait until the process has exited and its final messages were read; return the exit code."""
        code = await wait_exit(self._process)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_TIMEOUT_S):
                await self._channels_closed.wait()
        self._ended = True
        return code

    def fail_predictions(self, reason: str) -> None:
        """Fail all running predictions with `reason`, and close all slots for good."""
        for slot in self._slots:
            slot.poison(reason)

    def close_slots(self) -> None:
        """Accept no further predictions. Running ones continue."""
        for slot in self._slots:
            slot.retire()

    async def retire(self) -> None:
        """Accept no further predictions, and wait until the running ones have ended."""
        self.close_slots()
        self.slot_idle()
        await self._all_idle.wait()

    @property
    def has_ended_a_prediction(self) -> bool:
        """True once it has ended a prediction."""
        return self._predictions > 0

    @property
    def loses_predictions(self) -> bool:
        """True if predictions have failed, or are about to fail, because the process exits."""
        return self._has_lost_predictions or any(slot.is_busy for slot in self._slots)

    def prediction_lost(self) -> None:
        """Note that a prediction failed because its slot was closed."""
        self._has_lost_predictions = True

    def prediction_ended(self) -> None:
        """Count a prediction, and request recycling if a limit is exceeded."""
        self._predictions += 1
        used_bytes = usage_of(self.pid).resident_bytes if self._limits.limits_memory else 0
        if self._limits.exceeded(self._predictions, used_bytes) and not self._is_recycle_due:
            assert self._events is not None
            self._is_recycle_due = True
            self._events.on_recycle_due()

    def recycle_failed(self) -> None:
        """Request recycling again after the next prediction: the process could not be replaced now."""
        self._is_recycle_due = False

    def slot_idle(self) -> None:
        """Note that a slot of a retired worker has become idle."""
        if not any(slot.is_busy for slot in self._slots):
            self._all_idle.set()

    def kill_group(self) -> None:
        """Kill the process and all other processes of its process group."""
        self._process_group.kill()

    async def stop(self, grace_s: float) -> None:
        """Shut down gracefully: wait up to `grace_s` for running predictions, then kill what is left."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        deadline = started + grace_s
        self.send(control.Shutdown())
        try:
            async with asyncio.timeout_at(deadline):
                await self.retire()
            idle_deadline = loop.time() + _EXIT_TIMEOUT_S
            async with asyncio.timeout_at(min(deadline, idle_deadline)):
                await wait_exit(self._process)
        except TimeoutError:
            log.warning("worker %d did not exit within %.1f s, killing it", self.pid, loop.time() - started)
        await self.end()

    async def end(self) -> None:
        """Like `kill`, but without blocking the event loop.

        Concurrent callers all wait for its completion.
        """
        async with self._ending:
            if not self._killed:
                self._killed = True
                try:
                    await clean_up(self._end_tree)
                finally:
                    self._close_channels()

    def kill(self) -> None:
        """Kill the process tree, reap the process, and remove its folder. Blocks. Idempotent."""
        if not self._killed:
            self._killed = True
            self._end_tree()
            self._close_channels()

    def _end_tree(self) -> None:
        self.kill_group()
        try:
            self._process.wait(_KILLED_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            log.warning("worker %d was killed, but has not exited yet", self.pid)
        kill_all(self._cookie)  # descendants that have left the process group
        self._folder.remove()

    def _close_channels(self) -> None:
        if self._control is not None:
            self._control.close()
        for server in self._servers.values():
            server.close()
        if self._events is None:  # never attached, so the event loop does not close them
            for each in (*self._listeners, self._process.stdin, self._process.stdout):
                if each is not None:
                    each.close()

    def control_line(self, line: bytes) -> None:
        """Handle a line of the control channel. If it is not a valid message, the process is killed."""
        assert self._events is not None
        if self._has_sent_invalid:
            return
        try:
            message = control.decode_from_worker(line)
            if isinstance(message, control.Ready):
                self._on_ready(message)
                return
            self._events.on_control(message)
            if isinstance(message, control.SetupFailed | control.Fatal):
                asyncio.get_running_loop().call_later(_EXIT_TIMEOUT_S, self._kill_if_running)
        except ProtocolError as error:
            self._has_sent_invalid = True  # further invalid messages would fill the log
            log.error("worker %d: %s; killing it", self.pid, error)
            self.kill_group()

    def _kill_if_running(self) -> None:
        if self._process.poll() is None:
            log.warning("worker %d has failed but does not exit, killing it", self.pid)
            self.kill_group()

    def _on_ready(self, message: control.Ready) -> None:
        control.check_version(message.version)
        if self._ready is not None or len(message.slots) != len(self._slots):
            raise ProtocolError(f"ready with {len(message.slots)} slots, but expected {len(self._slots)}")
        self._ready = message
        self._process_group.find()
        self._report_if_ready()

    def slot_connected(self, connected: Slot) -> None:
        """Note that the process has connected a slot, and stop listening for it."""
        self._open_channels += 1
        self._servers[connected].close()
        self._report_if_ready()

    def _report_if_ready(self) -> None:
        # Ready arrives on another channel, perhaps before the last slots are connected.
        if self._ready is not None and all(slot.is_connected for slot in self._slots):
            assert self._events is not None
            self._events.on_ready(self._ready.slots)

    def is_worker(self, peer: socket.socket) -> bool:
        """True if the peer of a connection is the worker, or where the system does not report the peer."""
        return peer_pid(peer) in (self._process.pid, None)

    def _channel_closed(self) -> None:
        self._open_channels -= 1
        if self._open_channels == 0:
            self._channels_closed.set()


def _popen(spec: WorkerSpec, cookie: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [spec.python, "-c", _START_WORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=spec.directory,
        env={**spec.environment, COOKIE_VARIABLE: cookie},
        # Ctrl-C must not reach it. The worker itself then moves to a group that it does not lead.
        process_group=0,
    )
