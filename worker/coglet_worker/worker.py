"""One worker's life: take the process over, load the model, set it up, serve, exit.

The order matters; docs/architecture.md explains it. The control thread handles what the supervisor may send
at any time; the main thread belongs to the model.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from coglet import _runtime
from coglet_protocol import control
from coglet_protocol.cookie import COOKIE_VARIABLE, kill_all, processes_with
from coglet_protocol.errors import ProtocolError
from coglet_protocol.limits import cut_text
from coglet_worker import model as models
from coglet_worker import streams
from coglet_worker.cancelation import CancelationGate
from coglet_worker.capture import DescriptorCapture
from coglet_worker.control import ControlChannel
from coglet_worker.descriptors import private_numbers, take_over
from coglet_worker.ending import Ending
from coglet_worker.error_text import describe, full_traceback
from coglet_worker.healthcheck import HealthChecker
from coglet_worker.model import Model, SetupError
from coglet_worker.numbering import Numbering
from coglet_worker.runtime import Runtime
from coglet_worker.slot import Flusher, SlotBroken, SlotConnection
from coglet_worker.sync_loop import SyncLoop
from coglet_worker.waiting import Waiting

if TYPE_CHECKING:
    import asyncio

    from coglet_worker.async_loop import AsyncLoop

EXIT_OK, EXIT_SETUP_FAILED, EXIT_PROTOCOL, EXIT_SUPERVISOR_LOST, EXIT_FAULT = 0, 1, 2, 3, 4


class Worker:
    """The parts of this process, in the order in which they are created."""

    def __init__(self, guard: int) -> None:
        _runtime.mark_active()
        self._guard = guard
        self._cookie = os.environ.get(COOKIE_VARIABLE)  # before the model can change it
        _prefer_for_oom_kill()
        self._descriptors = take_over()
        self._gate = CancelationGate()
        self._control = ControlChannel(
            self._descriptors.control_in, self._descriptors.control_out, self._gate
        )
        self._router = streams.LogRouter(streams.OrphanLog(self._gate, self._control))
        self._numbering = Numbering(self._router.is_running)
        streams.install(self._router)
        self._captures = self._capture_descriptors()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: SyncLoop | AsyncLoop | None = None
        self._health: HealthChecker | None = None
        self._stop_requested = False
        self._reports_idle = True
        self._is_forked = False
        self._exit_code: int | None = None  # known when the work is done
        self._ending = Ending(self._is_at_work, self._give_up, self._children)

    def run(self) -> int:
        """Serve until the supervisor asks to stop, then shut the interpreter down. Return the exit code."""
        self._exit_code = self._run_guarded()
        self._ending.finish()
        self._send_final_messages()
        return self._exit_code

    def _run_guarded(self) -> int:
        try:
            return self._run()
        except ProtocolError as error:
            self._control.send_last(control.Fatal(reason=str(error)))
            return EXIT_PROTOCOL
        except BaseException as error:  # noqa: BLE001 - an internal error is reported to the supervisor
            return self._report_fault(error)

    def _run(self) -> int:
        init = self._receive_init()
        if init is None:
            return EXIT_SUPERVISOR_LOST
        self._start_thread(self._listen, "cog-control")
        try:
            connections = self._connect(init)
            model = self._set_up(init)
        except SetupError as error:
            self._flush_logs()
            self._control.send_last(
                control.SetupFailed(
                    kind=error.kind,
                    error=cut_text(str(error)),
                    traceback=cut_text(error.traceback),
                )
            )
            return EXIT_SETUP_FAILED
        return self._serve(model, connections)

    def _receive_init(self) -> control.Init | None:
        first = self._control.receive()
        if first is None:
            return None
        if not isinstance(first, control.Init):
            raise ProtocolError(f"expected init as the first message, got {type(first).__name__}")
        control.check_version(first.version)
        self._reports_idle = first.idle
        return first

    def _connect(self, init: control.Init) -> list[SlotConnection]:
        flusher = Flusher()
        folder = init.transport_info.dir
        with private_numbers():
            connections = [
                SlotConnection(
                    os.path.join(folder, f"slot-{index}.sock"), self._gate, flusher, self._numbering
                )
                for index in range(init.num_slots)
            ]
        os.register_at_fork(after_in_child=lambda: self._after_fork(connections))
        return connections

    def _set_up(self, init: control.Init) -> Model:
        model = models.load(init.predictor_ref, is_train=init.is_train, input_kinds=init.input_kinds)
        models.check_concurrency(model, init.num_slots)
        if model.is_async:
            self._make_loop()
        models.run_setup(model, lambda awaitable: self._make_loop().run_until_complete(awaitable))
        return model

    def _serve(self, model: Model, connections: Sequence[SlotConnection]) -> int:
        runtime = Runtime(
            self._control, self._gate, self._router, self._captures, model, reports_idle=self._reports_idle
        )
        for connection in connections:
            connection.on_broken = runtime.poison
        self._health = HealthChecker(
            model, self._loop if model.is_async else None, self._control.send, self._router.orphans
        )
        if model.is_async:
            from coglet_worker.async_loop import AsyncLoop

            self._serving = AsyncLoop(runtime, connections, self._make_loop())
        else:
            self._router.adopt_stray_threads = True
            self._serving = SyncLoop(runtime, connections[0], Waiting(self._make_loop))
        self._flush_logs()
        notes = self._gate.install()
        if not model.is_async:
            for note in notes:
                runtime.warn(note)
        self._control.send(
            control.Ready(
                slots=[connection.id for connection in connections],
                has_healthcheck=model.healthcheck is not None,
                cancel_signal=0 if model.is_async else self._gate.cancel_signal,
            )
        )
        if self._stop_requested:
            self._serving.stop()
        return self._serve_until_stopped()

    def _serve_until_stopped(self) -> int:
        assert self._serving is not None
        try:
            self._serving.serve()
        except SlotBroken as error:
            self._control.send_last(control.Fatal(reason=str(error)))
            return EXIT_PROTOCOL
        if not self._stop_requested:
            self._exit_without_supervisor()  # a slot can reach EOF before the control channel does
        return EXIT_OK

    def _is_at_work(self) -> bool:
        return self._exit_code is None and (self._serving is None or self._router.has_running)

    def _give_up(self, reason: str) -> None:
        self._control.send(control.WorkerLog(target="coglet::worker", level="warning", message=reason))
        self._send_final_messages()
        os._exit(EXIT_OK if self._exit_code is None else self._exit_code)

    def _send_final_messages(self) -> None:
        self._flush_logs()
        if self._exit_code in {EXIT_OK, None}:
            self._control.send_last(control.ShuttingDown())

    def _children(self) -> list[int]:
        return [pid for pid in processes_with(self._cookie) if pid != self._guard] if self._cookie else []

    def _listen(self) -> None:
        """Handle every message after Init, in the control thread."""
        try:
            for message in self._control:
                self._handle(message)
        except ProtocolError as error:
            self._control.send_last(control.Fatal(reason=str(error)))
            os._exit(EXIT_PROTOCOL)
        except BaseException as error:  # noqa: BLE001 - an internal error: no cancel could be received any more
            os._exit(self._report_fault(error))
        self._exit_without_supervisor()

    def _report_fault(self, error: BaseException) -> int:
        for line in cut_text(full_traceback(error)).rstrip().split("\n"):
            self._control.send(control.WorkerLog(target="coglet::worker", level="error", message=line))
        self._control.send_last(
            control.Fatal(reason=cut_text(f"internal error of the worker: {describe(error)}"))
        )
        return EXIT_FAULT

    def _handle(self, message: control.ToWorker) -> None:
        match message:
            case control.Cancel():
                self._cancel(message)
            case control.Healthcheck():
                self._check_health(message)
            case control.Ping():
                if self._serving is not None:
                    self._serving.ping(message.id)
            case control.Shutdown():
                self._shut_down()
            case control.Init():
                raise ProtocolError("init was sent twice")

    def _cancel(self, message: control.Cancel) -> None:
        sequence = message.sequence or self._numbering.of_cancel(message)
        if self._serving is not None and sequence:
            self._serving.cancel(message.slot, message.id, sequence)

    def _check_health(self, message: control.Healthcheck) -> None:
        if self._health is None:
            self._control.send(control.HealthcheckResult(id=message.id, status="healthy"))
        else:
            self._health.start(message)

    def _shut_down(self) -> None:
        self._stop_requested = True
        if self._serving is not None:
            self._serving.stop()
        self._ending.expect()

    def _exit_without_supervisor(self) -> None:
        """Kill what the model has started and exit, because the supervisor has exited."""
        if self._cookie:
            # The guard may be doing the same, and must be able to finish.
            kill_all(self._cookie, exclude=self._guard)
        if self._cookie or os.getpgrp() == os.getpid():  # the group is ours alone
            os.killpg(0, signal.SIGKILL)
        os._exit(EXIT_SUPERVISOR_LOST)

    def _make_loop(self) -> asyncio.AbstractEventLoop:
        """Return the one loop of async setup and async predictions, made at the first call."""
        if self._loop is None:
            import asyncio

            from coglet_worker.precise_loop import new_event_loop

            with private_numbers():
                self._loop = new_event_loop()
            asyncio.set_event_loop(self._loop)
        return self._loop

    def _capture_descriptors(self) -> tuple[DescriptorCapture, ...]:
        captures = (
            DescriptorCapture("stdout", self._descriptors.captured_stdout, self._gate, self._captured_target),
            DescriptorCapture("stderr", self._descriptors.captured_stderr, self._gate, self._captured_target),
        )
        for capture in captures:
            capture.start()
        return captures

    def _captured_target(self) -> Any:
        return self._router.sole_running() or self._router.orphans

    def _flush_logs(self) -> None:
        for capture in self._captures:
            capture.drain()
        self._router.orphans.flush_all()

    def _after_fork(self, connections: Sequence[SlotConnection]) -> None:
        """Close the supervisor's channels in a forked child of the model, which must not hold or use them."""
        if self._is_forked:  # a grandchild, which may have reused the numbers of our descriptors
            return streams.uninstall_in_child()
        self._is_forked = True
        self._gate.uninstall()
        streams.uninstall_in_child()
        self._descriptors.close_in_child()
        for connection in connections:
            connection.close()

    @staticmethod
    def _start_thread(target: Callable[[], None], name: str) -> None:
        threading.Thread(target=target, name=name, daemon=True).start()


def _prefer_for_oom_kill() -> None:
    """Make the OOM killer choose the worker, and not the supervisor, which can restart it."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("500")


def main(guard: int) -> int:
    """Run one worker on this process's stdin and stdout. `guard` is the pid of its guard, 0 without one.

    Return the exit code.
    """
    # As with `python -c` and the peer, the model can import modules from the working directory.
    sys.path.insert(0, "")
    return Worker(guard).run()
