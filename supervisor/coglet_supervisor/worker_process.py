"""One worker process: its birth, its two kinds of channels, its end. Nobody else writes to it.

`WorkerProcess.spawn` is synchronous and does everything that needs no event loop, so that the worker loads
the model while the supervisor still imports its HTTP stack.
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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from coglet_protocol import control
from coglet_protocol.cookie import COOKIE_VARIABLE, kill_all
from coglet_protocol.errors import ProtocolError
from coglet_supervisor.cleaning import clean_up
from coglet_supervisor.control_group import ControlGroup
from coglet_supervisor.control_reader import ControlReader
from coglet_supervisor.death import wait_exit
from coglet_supervisor.health import timestamp
from coglet_supervisor.pipes import connect_read_pipe, connect_write_pipe
from coglet_supervisor.process_group import ProcessGroup
from coglet_supervisor.process_usage import usage_of
from coglet_supervisor.recycling import Wear
from coglet_supervisor.slots import Slot, SlotPool, SlotSocket, peer_pid
from coglet_supervisor.temporary_folder import TemporaryFolder, slot_name

log = logging.getLogger(__name__)

# After the process has ended, what it wrote last may still be in its pipes and sockets.
_LAST_WORDS_S: Final = 0.5

# A worker that has nothing to do gets this long to end. It gives up after a second itself, and says what held
# it; this is for one that is stopped, or whose C code does not let go of the interpreter.
_IDLE_END_S: Final = 1.6


# As `-m coglet_worker`, but without the model's folder on the path: a `types.py` in there must not stand in
# for the standard library's while the worker is imported. `-P` is newer than the Pythons of some models.
_START_WORKER: Final = (
    "import sys; sys.path[:] = [p for p in sys.path if p]; from coglet_worker.__main__ import main; main()"
)


@dataclass(frozen=True, kw_only=True)
class WorkerSpec:
    """How to start a worker."""

    python: str
    predictor_ref: str
    is_train: bool
    num_slots: int
    directory: Path
    environment: Mapping[str, str]
    cancel_grace_s: float | None = None  # then a prediction that ignores its cancel costs the worker
    max_predictions: int | None = None
    max_rss_bytes: int | None = None
    # Asked when the process is on its way, because a schema takes time to read.
    input_kinds: Callable[[], dict[str, control.InputKind] | None] = lambda: None

    def explain(self, error: OSError) -> str:
        """Why `spawn` raised it, for a person."""
        if error.filename is None:
            return error.strerror or str(error)
        # The text is the same whether the program is missing or the folder in which it is to run.
        subject = "the model's folder " if Path(error.filename) == self.directory else ""
        return f"{subject}{error.filename}: {error.strerror}"


class WorkerEvents(Protocol):
    """Who is told what the worker says on its control channel."""

    def on_ready(self, slot_ids: list[str]) -> None: ...

    def on_control(self, message: control.FromWorker) -> None: ...


class WorkerProcess:
    """One child. Made by `spawn`; `attach` brings it onto the event loop; `wait_end` tells how it ended."""

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
        self.replaced_because: str | None = None
        self.on_worn_out: Callable[[], None] = lambda: None
        self._wear = Wear(spec.max_predictions, spec.max_rss_bytes, dice=random.random())
        self._predictions = 0
        self._has_lost_predictions = False
        self._is_worn_out = False
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
        self._all_idle = asyncio.Event()  # counts only once no slot is handed out any more
        self._events: WorkerEvents | None = None
        self._ended = False
        self._killed = False
        self._is_misunderstood = False
        self._ending = asyncio.Lock()
        self._group = ControlGroup.of(process.pid)
        self._oom_kills_before = self._oom_kills()

    @classmethod
    def spawn(cls, spec: WorkerSpec) -> "WorkerProcess":
        """Starts the child and tells it what to load. Raises OSError."""
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
        with contextlib.suppress(OSError):  # a child that died at once is seen by `wait_end`
            os.write(process.stdin.fileno(), control.encode_line(init))
        return cls(spec, process, folder, listeners, cookie)

    @property
    def has_healthcheck(self) -> bool:
        """True when the model has a check of its own."""
        return self._ready is not None and self._ready.has_healthcheck

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def was_out_of_memory(self) -> bool | None:
        """Whether the kernel has killed in its control group for want of memory; None if that is not told."""
        kills = self._oom_kills()
        if kills is None or self._oom_kills_before is None:
            return None
        return kills > self._oom_kills_before

    def _oom_kills(self) -> int | None:
        return None if self._group is None else self._group.oom_kills()

    async def attach(self, pool: SlotPool, events: WorkerEvents) -> None:
        """Listens to the child from now on: its control channel, and its slots as it connects them."""
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
        """Says something to the child. Never blocks; a child that is gone hears nothing."""
        if self._control is not None and not self._control.is_closing():
            self._control.write(control.encode_line(message))

    def open_slots(self, ids: list[str], pool: SlotPool) -> None:
        """After Ready: the slots get their ids and go into the pool."""
        for slot, slot_id in zip(self._slots, ids, strict=True):
            slot.id = slot_id
            pool.add(slot)

    def cancel(self, slot_id: str, prediction_id: str, sequence: int) -> None:
        """Asks the child to cancel one prediction."""
        self.send(control.Cancel(slot=slot_id, id=prediction_id, sequence=sequence))
        # What wakes a sync model's main thread, so that it lets the control thread read.
        if self._ready is not None and self._ready.cancel_signal and self._process.returncode is None:
            self._process.send_signal(self._ready.cancel_signal)

    def replace(self, reason: str) -> None:
        """Ends the process, because `reason`; the supervisor starts another one."""
        log.warning("replacing worker %d: %s", self.pid, reason)
        self.replaced_because = reason
        self.kill_group()

    def slot_named(self, slot_id: str) -> Slot | None:
        """The slot with that id."""
        return next((slot for slot in self._slots if slot.id == slot_id), None)

    def slot_lost(self, lost: Slot, reason: str) -> None:
        """A slot's socket is closed. Of a process that ends, `fail_predictions` tells the reason."""
        self._channel_closed()
        if self._process.poll() is None and not self._ended:
            # Give the end of the process the chance to tell more than a closed socket can.
            asyncio.get_running_loop().call_later(_LAST_WORDS_S, lost.poison, reason)

    async def wait_end(self) -> int:
        """Returns the exit code, after the child's last words were heard."""
        code = await wait_exit(self._process)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_S):
                await self._channels_closed.wait()
        self._ended = True
        return code

    def fail_predictions(self, reason: str) -> None:
        """All that runs here fails with `reason`; no slot is handed out again."""
        for slot in self._slots:
            slot.poison(reason)

    async def retire(self) -> None:
        """No slot is handed out again; returns when what runs has ended."""
        for slot in self._slots:
            slot.retire()
        self.slot_idle()
        await self._all_idle.wait()

    @property
    def has_proven_itself(self) -> bool:
        """True once it has ended a prediction."""
        return self._predictions > 0

    @property
    def loses_predictions(self) -> bool:
        """True when predictions failed, or are about to fail, because of its end."""
        return self._has_lost_predictions or any(slot.is_busy for slot in self._slots)

    def prediction_lost(self) -> None:
        """A prediction failed because its slot is broken."""
        self._has_lost_predictions = True

    def prediction_ended(self) -> None:
        """Between predictions is the time to see whether this process should be replaced."""
        self._predictions += 1
        used_bytes = usage_of(self.pid).resident_bytes if self._wear.limits_memory else 0
        if self._wear.is_worn_out(self._predictions, used_bytes) and not self._is_worn_out:
            self._is_worn_out = True
            self.on_worn_out()

    def stays(self) -> None:
        """It could not be replaced now; after its next prediction it may be tried again."""
        self._is_worn_out = False

    def slot_idle(self) -> None:
        """A slot of a retired worker runs nothing any more."""
        if not any(slot.is_busy for slot in self._slots):
            self._all_idle.set()

    def kill_group(self) -> None:
        """Kills the child and what it has started, but for what has left its process group."""
        self._process_group.kill()

    async def stop(self, grace_s: float) -> None:
        """Asks; lets what runs end within `grace_s`, and the process soon after; kills what is left of it."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        deadline = started + grace_s
        self.send(control.Shutdown())
        try:
            async with asyncio.timeout_at(deadline):
                await self.retire()
            idle_deadline = loop.time() + _IDLE_END_S
            async with asyncio.timeout_at(min(deadline, idle_deadline)):
                await wait_exit(self._process)
        except TimeoutError:
            log.warning("worker %d did not end within %.1f s, killing it", self.pid, loop.time() - started)
        await self.end()

    async def end(self) -> None:
        """As `kill`, but the loop goes on meanwhile. Several may ask for it, and all see its completion."""
        async with self._ending:
            if not self._killed:
                self._killed = True
                try:
                    await clean_up(self._end_tree)
                finally:
                    self._close_channels()

    def kill(self) -> None:
        """Ends the child and all that it has started, reaps it, and removes its folder. Safe to repeat."""
        if not self._killed:
            self._killed = True
            self._end_tree()
            self._close_channels()

    def _end_tree(self) -> None:
        self.kill_group()
        self._process.wait()
        kill_all(self._cookie)  # what has left the process group
        self._folder.remove()

    def _close_channels(self) -> None:
        if self._control is not None:
            self._control.close()
        for server in self._servers.values():
            server.close()
        if self._events is None:  # never attached, so nobody else closes them
            for each in (*self._listeners, self._process.stdin, self._process.stdout):
                if each is not None:
                    each.close()

    def control_line(self, line: bytes) -> None:
        """One line of the control channel. A child that cannot be understood is killed."""
        assert self._events is not None
        if self._is_misunderstood:
            return
        try:
            message = control.decode_from_worker(line)
            if isinstance(message, control.Ready):
                self._on_ready(message)
                return
            self._events.on_control(message)
            if isinstance(message, control.SetupFailed | control.Fatal):
                asyncio.get_running_loop().call_later(_IDLE_END_S, self._enforce_end)
        except ProtocolError as error:
            self._is_misunderstood = True  # what else it has sent meanwhile would fill the log
            log.error("worker %d: %s; killing it", self.pid, error)
            self.kill_group()

    def _enforce_end(self) -> None:
        if self._process.poll() is None:
            log.warning("worker %d has failed and does not end, killing it", self.pid)
            self.kill_group()

    def _on_ready(self, message: control.Ready) -> None:
        control.check_version(message.version)
        if self._ready is not None or len(message.slots) != len(self._slots):
            raise ProtocolError(f"ready with {len(message.slots)} slots, {len(self._slots)} were asked for")
        self._ready = message
        self._process_group.find()
        self._tell_ready()

    def slot_connected(self, connected: Slot) -> None:
        """The child has opened a slot, which nobody can open again."""
        self._open_channels += 1
        self._servers[connected].close()
        self._tell_ready()

    def _tell_ready(self) -> None:
        # Ready comes on another channel and may overtake the last of the slots.
        if self._ready is not None and all(slot.is_connected for slot in self._slots):
            assert self._events is not None
            self._events.on_ready(self._ready.slots)

    def is_worker(self, peer: socket.socket) -> bool:
        """True when it is the child itself that has connected, and not just anybody who found the path."""
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
        # Ctrl-C must not reach it. It moves on to a group that it does not lead.
        process_group=0,
    )
