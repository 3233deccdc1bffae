"""One run of a prediction, from its acceptance to its end. The only place that decides how it ends."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, Protocol

import msgspec

from coglet_protocol import slot
from coglet_protocol.errors import ProtocolError
from coglet_supervisor.cleaning import clean_up
from coglet_supervisor.predictions.acceptance import Acceptance
from coglet_supervisor.predictions.deadline import Deadline
from coglet_supervisor.predictions.outputs import INVALID_JSON, OutputFailed, OutputQueue, OutputTooLarge
from coglet_supervisor.predictions.prediction import Listener, Prediction, PredictionSpec, Status, Terminal
from coglet_supervisor.predictions.record import NotRecorded, Record
from coglet_supervisor.predictions.resources import RunResources
from coglet_supervisor.predictions.slots import Slot
from coglet_supervisor.predictions.stream import PredictionStream, Subscription
from coglet_supervisor.predictions.untrusted_json import is_one_value

log = logging.getLogger(__name__)

Phase = Literal["accepting", "waiting", "starting", "spilling", "running", "delivering", "recording", "ended"]
_OVER: Final = frozenset({"recording", "ended"})
# What a run takes in memory beside its texts.
_RUN_BYTES: Final = 4096


class RunOwner(Protocol):
    """The part of PredictionService that a run uses."""

    def run_ended(self, run: PredictionRun) -> None: ...


class PredictionRun:
    """Owns one prediction, its slot, its files, its time limit and its stream.

    | phase | the worker | effect of a cancel | effect of losing the worker |
    |---|---|---|---|
    | accepting | waits until the store has its record | ends it when it is accepted | fails it |
    | waiting | there is none: it waits for a slot | ends it immediately | not possible |
    | starting | waits until the store has written that it starts | ends it when it is written | fails it |
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
        # Named by number: a prediction id, which clients may choose, is never used as a path.
        self.folder: Final = f"{resources.folder}/{sequence}"
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
        self.priority: Final = spec.priority
        self.input: Final = spec.input
        self._spec = spec
        self._resources = resources
        self._owner = owner
        self._outputs = OutputQueue(spec.id, self.folder, resources, self, spec.hosted)
        self._phase: Phase = "accepting"
        self.acceptance: Final = Acceptance()
        self._slot: Slot | None = None
        self._attempt = spec.attempt
        self._is_canceled = False
        self._failure: str | None = None
        self._deadline = Deadline()
        self._expiry = Deadline()  # of the client, whatever the phase
        self.is_overdue = False

    # for the service

    def accept(self) -> None:
        """Have the record written; then start if a slot is assigned, else wait for one."""
        self._resources.recorder.accept(self, self._accepted)

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
        elif self._phase in ("waiting", "delivering"):
            self._end("canceled")

    def time_out(self) -> None:
        """Fail the run because its time limit is over."""
        self.stop(f"Prediction timed out after {self._resources.timeout_s:g} seconds")

    @property
    def can_be_left(self) -> bool:
        """True if it is accepted and has not started, and no client waits for it on a connection."""
        return self._phase in ("waiting", "spilling") and self._slot is None and self._spec.is_detached

    def leave(self) -> None:
        """End without a terminal state: it was never accepted, or the next server runs it."""
        self._phase = "ended"
        self._deadline.cancel()
        self._expiry.cancel()
        self._release_slot()
        self._remove_folder()
        if self.stream is not None:
            self.stream.close()
        self.prediction.wake()
        self._owner.run_ended(self)

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

    # for the store

    @property
    def status(self) -> Status:
        """The status; a terminal one from the moment at which it is decided."""
        return self.prediction.decided_status

    @property
    def kept_bytes(self) -> int:
        """The approximate memory that the run needs."""
        stream_bytes = self.stream.size_bytes if self.stream is not None else 0
        return self.prediction.kept_bytes + self.input.size_bytes + stream_bytes + _RUN_BYTES

    def drop_input(self) -> None:
        """Forget the input of a prediction that has ended."""
        self.input.drop()

    def record(self, *, with_data: bool = True) -> Record:
        """Return its state; without `with_data`, without input, output and logs."""
        state = Record.of(self.prediction, self._spec, self.sequence, self._attempt)
        if not with_data:
            return state
        json = self.input.json
        return msgspec.structs.replace(
            state,
            input=None if json is None else msgspec.Raw(json),
            output=self.prediction.output_at(state.status),
            logs=self.prediction.logs,
            is_data_removed=json is None,
        )

    # for readers of its events

    @property
    def is_streaming(self) -> bool:
        """True if its events can be read."""
        return self.stream is not None

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
        if self._spec.ends_with_readers and not self.stream.has_subscribers:
            self.cancel()

    # for its slot

    def receive(self, message: slot.FromWorker) -> None:
        """Handle a message of the worker about this prediction. Raises ProtocolError if it is invalid."""
        match message:
            case slot.Log():
                self.prediction.log(message.source, message.data)
                self._resources.echo(self.id, message.source, message.data)
            case slot.Output():
                self._outputs.add(message)
            case slot.FileOutput():
                self._outputs.add_file(message)
            case slot.Metric():
                self._measure(message)
            case slot.Downloaded():
                self._resources.tracer.downloaded(message)
            case slot.Cancelled():
                self._end("canceled")
            case slot.Done() | slot.Failed():
                self._phase = "delivering"
                self._outputs.end(message)

    def fail(self, reason: str) -> None:
        """End the run because its worker is lost: failed with `reason`, or canceled if that was requested."""
        if self._is_canceled:
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

    def _measure(self, message: slot.Metric) -> None:
        # A metric with appended values counts as output, because it is part of the same response.
        if message.mode == "append" and not self._outputs.take_room(len(message.value)):
            self.output_failed(OutputTooLarge(self._resources.max_output_bytes))
        elif not is_one_value(message.value):
            self.output_failed(OutputFailed(INVALID_JSON))
        else:
            self.prediction.measure(message.name, message.value, message.mode)

    def _accepted(self, error: NotRecorded | None) -> None:
        self.acceptance.decide(error)
        if self._phase != "accepting":
            return
        self._expiry.set_until(self._spec.deadline, self.cancel)
        if error is not None:
            self.leave()
        elif self._is_canceled:
            self._release_slot()
            self._end("canceled")
        elif self._slot is not None:
            self._start()
        else:
            self._phase = "waiting"
            self._resources.tracer.waits(self.id)
            self._deadline.set(self._resources.queue_timeout_s, self._wait_too_long)
            if self.input.needs_file:
                self._spill()  # waiting inputs would fill the memory

    def _start(self) -> None:
        """Have the start written, then send the prediction to the worker."""
        self._phase = "starting"
        self._deadline.set(self._resources.timeout_s, self.time_out)
        self._attempt += 1
        self._resources.recorder.start(self, self._started)

    def _started(self, error: NotRecorded | None) -> None:
        if self._phase != "starting":
            return
        assert self._slot is not None
        if error is not None or self._is_canceled:
            self._release_slot()
            self.fail(f"Prediction was not started: {error}")
            return
        self.prediction.start()
        if self.input.needs_file:
            self._spill()
        else:
            self._send(self._slot)

    def _send(self, to: Slot) -> None:
        """Send the prediction to the worker. If that fails, the run has failed, and the slot is free."""
        file, json = self.input.file, self.input.json
        message = slot.Predict(
            id=self.id,
            output_dir=self.folder,
            input=bytes(memoryview(json)) if file is None and json is not None else None,
            input_file=str(file) if file is not None else None,
            context=self._spec.context,
            sequence=self.sequence,
            files=self._spec.files,
            trace=self._resources.tracer.started(self.id),
        )
        try:
            to.send(message)
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
            await self.input.write(Path(self.folder))
        except (OSError, RuntimeError) as error:
            failure = f"Failed to send request: {error}"
        if self._phase != "spilling":  # it has ended, perhaps before the file was written
            self._remove_folder()
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

    def _end(self, status: Terminal, *, error: str | None = None, is_stream: bool = False) -> None:
        if self._phase in _OVER:
            return
        self._phase = "recording"
        if self._failure is not None:
            status, error = "failed", self._failure
        self._deadline.cancel()
        self._expiry.cancel()
        self._outputs.clear()
        self._remove_folder()
        self.prediction.finish(status, error=error, is_stream=is_stream)
        self._resources.recorder.finish(self, self._recorded)

    def _recorded(self, error: NotRecorded | None) -> None:
        if error is not None:
            log.error("prediction %s: its end was not recorded: %s", self.id, error)
        self._phase = "ended"
        self._slot = None
        self.prediction.publish()
        self._owner.run_ended(self)

    def _release_slot(self) -> None:
        if self._slot is not None:
            self._slot.release()
            self._slot = None

    def _remove_folder(self) -> None:
        try:
            os.rmdir(self.folder)
        except FileNotFoundError:
            pass  # nothing was spilled or copied
        except OSError:
            self._resources.start_task(clean_up(lambda: shutil.rmtree(self.folder, ignore_errors=True)))
