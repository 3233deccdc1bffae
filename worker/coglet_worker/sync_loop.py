"""The loop of a sync model: one slot, read by the main thread, which also runs the model.

A prediction is never handed from one thread to another. A cancel interrupts the model's code through
`CancelationGate`.
"""

import time

from coglet_protocol import control, slot
from coglet_worker.outputs import send_items, send_result
from coglet_worker.running import RunningPrediction
from coglet_worker.runtime import Runtime, Terminal
from coglet_worker.slot import SlotConnection
from coglet_worker.waiting import Waiting


class SyncLoop:
    """Runs predictions one after the other until the supervisor closes the slot."""

    def __init__(self, runtime: Runtime, connection: SlotConnection, waiting: Waiting) -> None:
        self._runtime = runtime
        self._connection = connection
        self._waiting = waiting

    def serve(self) -> None:
        """Serve until `stop` or EOF. Raises SlotBroken if the slot fails."""
        while (message := self._connection.receive()) is not None:
            prediction = self._runtime.begin(message, self._connection)
            self._runtime.end(prediction, self._outcome(message, prediction))
            # After the client has got its response, because this takes a microsecond.
            if note := self._runtime.gate.reinstall():
                self._runtime.warn(note)

    def cancel(self, _slot: str, _prediction_id: str, sequence: int) -> None:
        """Cancel prediction number `sequence`, now or when it starts. For the control thread."""
        self._runtime.gate.request(sequence)

    def ping(self, ping_id: int) -> None:
        """Answer from the control thread: the main thread may be in the model's code for a long time."""
        self._runtime.control.send(control.Pong(id=ping_id))

    def stop(self) -> None:
        """Make `serve` return once the running prediction has ended. For the control thread."""
        self._connection.stop_receiving()

    def _outcome(self, message: slot.Predict, prediction: RunningPrediction) -> Terminal:
        gate = self._runtime.gate
        try:
            with gate.region(message.sequence):
                try:
                    outcome = self._run(message, prediction)
                except BaseException as error:  # noqa: BLE001 - the author's; sys.exit() fails only this one
                    # Inside the region: the text of an exception is the author's code, too.
                    outcome = self._failure(message, prediction, error)
        except BaseException as error:  # noqa: BLE001 - a cancel, or a signal handler of the author's, at the end
            return self._failure(message, prediction, error)
        if gate.requested(message.sequence):
            return self._runtime.canceled(prediction, outcome)
        return outcome

    def _failure(
        self, message: slot.Predict, prediction: RunningPrediction, error: BaseException
    ) -> slot.Failed | slot.Cancelled:
        if self._runtime.gate.requested(message.sequence):
            return slot.Cancelled(id=message.id)
        return self._runtime.explain(prediction, error)

    def _run(self, message: slot.Predict, prediction: RunningPrediction) -> Terminal:
        model = self._runtime.model
        if model.call is None or model.inputs is None:
            return slot.Failed(id=message.id, error="Training not supported by this predictor")
        arguments = model.inputs.decode(message)
        model.inputs.convert(arguments, prediction.temporary_files, message.files)
        started = time.perf_counter()
        result = model.call(**arguments)
        if hasattr(type(result), "__await__"):  # a plain function, perhaps a decorator, around an async one
            result = self._waiting.result_of(result)
        elif hasattr(type(result), "__anext__"):
            result = self._waiting.items_of(result)
        if model.is_iterator(result):
            prediction.in_generator = True
            send_items(prediction, result)
            output, is_stream = None, True
        else:
            output, is_stream = send_result(prediction, result)
        elapsed = time.perf_counter() - started
        return slot.Done(id=message.id, predict_time=elapsed, output=output, is_stream=is_stream)
