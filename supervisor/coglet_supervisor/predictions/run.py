"""One run of a prediction, from acquiring a slot to its end. The only place that decides how it ends."""

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal

from coglet_protocol import slot
from coglet_protocol.errors import ProtocolError
from coglet_protocol.limits import MAX_INLINE_BYTES
from coglet_protocol.spill import write_spill
from coglet_supervisor.cleaning import clean_up
from coglet_supervisor.predictions.outputs import (
    INVALID_JSON,
    OutputFailed,
    OutputQueue,
    OutputTooLarge,
)
from coglet_supervisor.predictions.prediction import Listener, Prediction, PredictionSpec, Terminal
from coglet_supervisor.predictions.resources import RunResources
from coglet_supervisor.predictions.slots import Slot
from coglet_supervisor.predictions.stream import PredictionStream, Subscription
from coglet_supervisor.predictions.untrusted_json import is_one_value

Phase = Literal["starting", "spilling", "running", "delivering", "ended"]


class PredictionRun:
    """Owns one prediction, its slot, its files, its time limit and its stream.

    | phase | the worker | effect of a cancel | effect of losing the worker |
    |---|---|---|---|
    | starting | has not been sent it | not possible: one turn of the loop | not possible |
    | spilling | waits for the file of a large input | ends it when the file is written | fails it |
    | running | runs it | sent to the worker, whose response ends it | fails it; a canceled one is canceled |
    | delivering | is done; output files are being delivered | ends it immediately | none |
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
        on_end: Callable[["PredictionRun"], None],
    ) -> None:
        self.sequence: Final = sequence
        # Named by number: a prediction id, which clients may choose, is never used as a path.
        self.folder: Final = resources.folder / str(sequence)
        self._stream = PredictionStream(resources.stream_history) if spec.is_streaming else None
        self.prediction: Final = Prediction(
            spec,
            listeners=listeners if self._stream is None else (self._stream, *listeners),
            max_log_bytes=resources.max_log_bytes,
        )
        self._spec = spec
        self._resources = resources
        self._on_end = on_end
        self._outputs = OutputQueue(spec.id, self.folder, resources, self)
        self._phase: Phase = "starting"
        self._slot: Slot | None = None
        self._is_canceled = False
        self._failure: str | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def id(self) -> str:
        return self.prediction.id

    # for the service

    def start(self, free_slot: Slot) -> None:
        """Send the prediction to the worker through a slot that was acquired for it."""
        self._slot = free_slot
        free_slot.take(self)
        payload = memoryview(self.prediction.input)
        if len(payload) > MAX_INLINE_BYTES:
            self._phase = "spilling"
            self.prediction.start()
            self._resources.start_task(self._spill(payload))
        elif not self._send(free_slot, input=bytes(payload)):
            return
        else:
            self.prediction.start()
        if self._resources.timeout_s is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._resources.timeout_s, self.time_out)

    def cancel(self) -> None:
        """Request cancelation; the run has stopped once its prediction is terminal. Idempotent."""
        if self._is_canceled or self._phase == "ended":
            return
        self._is_canceled = True
        if self._phase == "running":
            assert self._slot is not None
            self._slot.cancel()
        elif self._phase == "delivering":
            self._end("canceled")

    def time_out(self) -> None:
        """Fail the run because its time limit is over."""
        self._stop(f"Prediction timed out after {self._resources.timeout_s:g} seconds")

    # for readers of its events

    @property
    def is_streaming(self) -> bool:
        """True if its events can be read."""
        return self._stream is not None

    def subscribe(self, after: int | None) -> Subscription:
        """Add a reader of the events after number `after`, or of all that are kept.

        Raises TooManySubscribers.
        """
        assert self._stream is not None
        return self._stream.subscribe(after)

    def unsubscribe(self, reader: Subscription) -> None:
        """Remove a reader. Without readers, a run with `ends_with_readers` is canceled."""
        assert self._stream is not None
        self._stream.unsubscribe(reader)
        if self._spec.ends_with_readers and not self._stream.has_subscribers:
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
        self._stop(str(error))

    def _measure(self, message: slot.Metric) -> None:
        # A metric with appended values counts as output, because it is part of the same response.
        if message.mode == "append" and not self._outputs.take_room(len(message.value)):
            self.output_failed(OutputTooLarge(self._resources.max_output_bytes))
        elif not is_one_value(message.value):
            self.output_failed(OutputFailed(INVALID_JSON))
        else:
            self.prediction.measure(message.name, message.value, message.mode)

    def _send(self, to: Slot, *, input: bytes | None = None, input_file: str | None = None) -> bool:
        """Send the prediction to the worker.

        False if that failed: the slot is free then, and the run has failed.
        """
        message = slot.Predict(
            id=self.id,
            output_dir=str(self.folder),
            input=input,
            input_file=input_file,
            context=self._spec.context,
            sequence=self.sequence,
        )
        try:
            to.send(message)
        except ProtocolError as error:
            to.release()
            self.fail(f"Failed to send request: {error}")
            return False
        self._phase = "running"
        return True

    async def _spill(self, payload: memoryview) -> None:
        """Write a large input to a file, then send the prediction to the worker."""
        assert self._slot is not None
        path, failure = Path(), ""
        try:
            path = await asyncio.to_thread(write_spill, self.folder, payload)
        except (OSError, RuntimeError) as error:  # RuntimeError: no thread could be started
            failure = f"Failed to send request: {error}"
        if self._phase != "spilling":  # it has ended, perhaps before the file was written
            self._remove_folder()
        elif failure or self._is_canceled:
            self._slot.release()
            self.fail(failure)
        else:
            self._send(self._slot, input_file=str(path))

    def _stop(self, reason: str) -> None:
        """Fail the run with `reason`, once the worker has stopped it."""
        if self._phase == "ended":
            return
        self._failure = reason
        self._outputs.close()
        if self._phase == "delivering":
            self._end("failed")
        else:
            self.cancel()

    def _end(self, status: Terminal, *, error: str | None = None, is_stream: bool = False) -> None:
        if self._phase == "ended":
            return
        self._phase = "ended"
        if self._failure is not None:
            status, error = "failed", self._failure
        if self._timer is not None:
            self._timer.cancel()
        self._outputs.clear()
        self._remove_folder()
        self.prediction.finish(status, error=error, is_stream=is_stream)
        self._on_end(self)

    def _remove_folder(self) -> None:
        try:
            os.rmdir(self.folder)
        except FileNotFoundError:
            pass  # nothing was spilled or copied
        except OSError:
            self._resources.start_task(clean_up(lambda: shutil.rmtree(self.folder, ignore_errors=True)))
