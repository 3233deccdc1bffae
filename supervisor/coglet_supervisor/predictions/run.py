"""One run of a prediction, from its acceptance to its end. The only place that decides how it ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, Protocol

from coglet_protocol import slot
from coglet_protocol.errors import ProtocolError
from coglet_supervisor.predictions.acceptance import Acceptance
from coglet_supervisor.predictions.outputs import OutputFailed, OutputQueue, OutputTooLarge
from coglet_supervisor.predictions.prediction import Listener, Prediction, PredictionSpec, Terminal
from coglet_supervisor.predictions.record import NotRecorded
from coglet_supervisor.predictions.recorded_run import RecordedRun
from coglet_supervisor.predictions.resources import RunResources
from coglet_supervisor.predictions.run_folder import RunFolder
from coglet_supervisor.predictions.slots import Slot
from coglet_supervisor.predictions.stream import PredictionStream, Subscription
from coglet_supervisor.predictions.timer import Timer

log = logging.getLogger(__name__)

Phase = Literal[
    "accepting", "waiting", "starting", "delayed", "spilling", "running", "delivering", "recording", "ended"
]
_OVER: Final = frozenset({"recording", "ended"})
# A start that the store could not write is written again after this time.
_RETRY_S: Final = 1.0


class RunOwner(Protocol):
    """The part of PredictionService that a run uses."""

    def leave_queue(self, run: PredictionRun) -> None: ...

    def run_ended(self, run: PredictionRun) -> None: ...


class PredictionRun:
    """Owns one prediction, its slot, its files, its time limit and its stream.

    | phase | the worker | effect of a cancel | effect of losing the worker |
    |---|---|---|---|
    | accepting | waits until the store has its record | ends it when it is accepted | fails it |
    | waiting | there is none: it waits for a slot | ends it immediately | not possible |
    | starting | waits until the store has written that it starts | ends it when it is written | fails it |
    | delayed | waits until the store can be asked again | ends it immediately | fails it |
    | spilling | waits for the file of a large input | ends it when the file is written | fails it |
    | running | runs it | sent to the worker, whose response ends it | fails it; a canceled one is canceled |
    | delivering | is done; output files are being delivered | ends it immediately | none |
    | recording | may run another; the store writes its end | none | none |
    | ended | may run another | none | none |

    A run that fails while the worker still runs it (time limit, output too large) is stopped like a canceled
    one, and its end is reported once the slot is free.
    """

    def __init__(
        self,
        spec: PredictionSpec,
        sequence: int,
        resources: RunResources,
        *,
        listeners: Sequence[Listener] = (),
        owner: RunOwner,
    ) -> None:
        self.id: Final = spec.id
        self.sequence: Final = sequence
        self.folder: Final = RunFolder(resources.folder, sequence, resources.start_task)
        self.kind: Final = spec.kind
        self.stream: Final = (
            PredictionStream(resources.stream_history, awaits_reader=spec.ends_with_readers)
            if spec.is_streaming
            else None
        )
        self.prediction: Final = Prediction(
            spec,
            listeners=listeners if self.stream is None else (self.stream, *listeners),
            max_log_bytes=resources.max_log_bytes,
        )
        self.recorded: Final = RecordedRun(self.prediction, spec, sequence, self.stream)
        self.priority: Final = spec.priority
        self.input: Final = spec.input
        self.is_detached: Final = spec.is_detached
        self._spec = spec
        self._resources = resources
        self._owner = owner
        self._outputs = OutputQueue(spec.id, self.folder.path, resources, self, spec.hosted)
        self._phase: Phase = "accepting"
        self.acceptance: Final = Acceptance()
        self._slot: Slot | None = None
        self._is_canceled = False
        self._failure: str | None = None
        self._time_limit = Timer()  # of the current phase
        self._deadline = Timer()  # of the client, whatever the phase
        self._is_left = False
        self.is_overdue = False

    # for the service

    def accept(self) -> None:
        """Have the record written; then start if a slot is assigned, else wait for one."""
        self._resources.recorder.accept(self.recorded, self._accepted)

    def resume(self) -> None:
        """As `accept`, for a prediction whose record was written by an earlier server."""
        self._accepted(None)

    def assign(self, free_slot: Slot) -> None:
        """Give it a slot, on which it starts as soon as possible."""
        self._slot = free_slot
        free_slot.take(self)
        if self._phase == "waiting":
            self._start()

    def cancel(self) -> None:
        """Request cancelation; the run has stopped once its prediction is terminal. Idempotent."""
        if self._is_canceled or self._phase in _OVER:
            return
        self._is_canceled = True
        if self._phase == "running":
            assert self._slot is not None
            self._slot.cancel()
        elif self._phase == "delayed":
            self._release_slot()
            self._end("canceled")
        elif self._phase in ("waiting", "delivering"):
            self._end("canceled")

    def time_out(self) -> None:
        """Fail the run because its time limit is over."""
        self.stop(f"Prediction timed out after {self._resources.timeout_s:g} seconds")

    @property
    def is_waiting(self) -> bool:
        """True if it has not started: no worker has it."""
        if self._slot is None:
            return self._phase in ("accepting", "waiting", "spilling")
        return self._phase == "delayed"

    def leave(self) -> None:
        """End without a terminal state: the next server runs it. What its worker still sends is ignored."""
        self._is_left = True
        if self._phase in ("starting", "delayed", "spilling"):
            self._release_slot()
        if self._phase != "accepting" and self._phase not in _OVER:
            self._vanish()

    def stop(self, reason: str) -> None:
        """Fail the run with `reason`, once the worker has stopped it."""
        if self._phase in _OVER:
            return
        self._failure = reason
        self._outputs.close()
        if self._phase == "delivering":
            self._end("failed")
        else:
            self.cancel()

    # for readers of its events

    def subscribe(self, after: int | None) -> Subscription:
        """Add a reader of the events after number `after`, or of all that are kept.

        Raises TooManySubscribers.
        """
        assert self.stream is not None
        return self.stream.subscribe(after)

    def unsubscribe(self, reader: Subscription) -> None:
        """Remove a reader. Without readers, a run with `ends_with_readers` is canceled."""
        assert self.stream is not None
        self.stream.unsubscribe(reader)
        if self._spec.ends_with_readers and not self.stream.subscribers:
            self.cancel()

    # for its slot

    def receive(self, message: slot.FromWorker) -> None:
        """Handle a message of the worker about this prediction. Raises ProtocolError if it is invalid."""
        if self._is_left:
            return
        match message:
            case slot.Log():
                self.prediction.log(message.source, message.data)
                self._resources.echo(self.id, message.source, message.data)
            case slot.Output():
                self._outputs.add(message)
            case slot.FileOutput():
                self._outputs.add_file(message)
            case slot.Metric():
                if failure := self._outputs.problem_of(message):
                    self.output_failed(failure)
                else:
                    self.prediction.measure(message.name, message.value, message.mode)
            case slot.Downloaded():
                self._resources.tracer.downloaded(message)
            case slot.Cancelled():
                self._end("canceled")
            case slot.Done() | slot.Failed():
                self._phase = "delivering"
                self._outputs.end(message)

    def fail(self, reason: str) -> None:
        """End the run because its worker is lost: failed with `reason`, or canceled if that was requested."""
        if self._phase == "accepting":
            self._slot = None
            self._failure = None if self._is_canceled else reason
        elif self._is_canceled:
            self._end("canceled")
        else:
            self._end("failed", error=reason)

    # for its outputs

    def output_ready(self, text: bytes) -> None:
        """See OutputReceiver."""
        self.prediction.produce(text)

    def output_complete(self, end: slot.Done | slot.Failed) -> None:
        """See OutputReceiver."""
        if isinstance(end, slot.Done):
            self._end("succeeded", is_stream=end.is_stream)
        else:
            self._end("failed", error=end.error)

    def output_failed(self, error: OutputFailed) -> None:
        """See OutputReceiver."""
        if isinstance(error, OutputTooLarge):
            self.prediction.drop_output()
        self.stop(str(error))

    def _accepted(self, error: NotRecorded | None) -> None:
        self.acceptance.decide(error)
        if error is not None or self._is_left:
            self._release_slot()
            self._vanish()
        elif self._is_canceled or self._failure is not None:
            self._release_slot()
            self._end("canceled")
        else:
            self._deadline.set_until(self._spec.deadline, self.cancel)
            if self._slot is not None:
                self._start()
            else:
                self._wait()

    def _wait(self) -> None:
        self._phase = "waiting"
        self._resources.tracer.waits(self.id)
        limit_s = self._resources.queue_timeout_s
        if limit_s is not None and self._spec.created_at is not None:  # it has waited in an earlier server
            limit_s -= max(time.time() - self._spec.created_at, 0.0)
        self._time_limit.set(limit_s, self._wait_too_long)
        if self.input.needs_file:
            self._spill()  # waiting inputs would fill the memory

    def _start(self) -> None:
        """Have the start written, then send the prediction to the worker."""
        self._time_limit.cancel()
        self.recorded.attempt += 1
        self._write_start()

    def _write_start(self) -> None:
        self._phase = "starting"
        self._resources.recorder.start(self.recorded, self._started)

    def _started(self, error: NotRecorded | None) -> None:
        if self._phase != "starting":
            return
        assert self._slot is not None
        if self._is_canceled:
            self._release_slot()
            self._end("canceled")
            return
        if error is not None:
            log.warning("prediction %s: its start was not recorded, trying again: %s", self.id, error)
            self._phase = "delayed"
            self._time_limit.set(_RETRY_S, self._write_start)
            return
        self.prediction.start()
        self._time_limit.set(self._resources.timeout_s, self.time_out)
        if self.input.needs_file:
            self._spill()
        else:
            self._send(self._slot)

    def _send(self, to: Slot) -> None:
        """Send the prediction to the worker. If that fails, the run has failed, and the slot is free."""
        trace = self._resources.tracer.started(self.id)
        try:
            to.send(self._spec.message(self.sequence, self.folder.path, trace))
        except ProtocolError as error:
            self._release_slot()
            self.fail(f"Failed to send request: {error}")
        else:
            self._phase = "running"

    def _spill(self) -> None:
        self._phase = "spilling"
        self._resources.start_task(self._write_input())

    async def _write_input(self) -> None:
        """Write a large input to a file, then send the prediction to the worker, or wait for a slot."""
        failure = ""
        try:
            await self.input.write(Path(self.folder.path))
        except (OSError, RuntimeError) as error:
            failure = f"Failed to send request: {error}"
        if self._phase != "spilling":  # it has ended, perhaps before the file was written
            self.folder.remove()
        elif failure or self._is_canceled:
            self._release_slot()
            self.fail(failure)
        elif self._slot is None:
            self._phase = "waiting"
            self.input.drop()
        elif self.prediction.started_at is None:  # the slot was assigned while the file was written
            self._start()
        else:
            self._send(self._slot)

    def _wait_too_long(self) -> None:
        self.is_overdue = True
        self.stop(
            f"Prediction waited {self._resources.queue_timeout_s:g} seconds in the queue, which is the limit"
        )

    def _vanish(self) -> None:
        """End without a terminal state."""
        self._phase = "ended"
        self._stop_all()
        self._slot = None
        if self.stream is not None:
            self.stream.close()
        self.prediction.wake()
        self._owner.run_ended(self)

    def _end(self, status: Terminal, *, error: str | None = None, is_stream: bool = False) -> None:
        if self._phase in _OVER:
            return
        self._phase = "recording"
        if self._failure is not None:
            status, error = "failed", self._failure
        self._stop_all()
        self.prediction.finish(status, error=error, is_stream=is_stream)
        self._resources.recorder.finish(self.recorded, self._recorded)

    def _recorded(self, error: NotRecorded | None) -> None:
        if error is not None:
            log.error("prediction %s: its end was not recorded: %s", self.id, error)
        self._phase = "ended"
        self._slot = None
        self.prediction.publish()
        self._owner.run_ended(self)

    def _stop_all(self) -> None:
        self._time_limit.cancel()
        self._deadline.cancel()
        self._outputs.clear()
        self.folder.remove()
        self._owner.leave_queue(self)

    def _release_slot(self) -> None:
        if self._slot is not None:
            self._slot.release()
            self._slot = None
