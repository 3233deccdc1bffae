"""The loop of an async model: one asyncio loop on the main thread, one task per running prediction.

The same loop reads the slots. A cancel calls `task.cancel()` once; the slot is free when the task has ended.
"""

import asyncio
import contextlib
import contextvars
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

from coglet_protocol import control, slot
from coglet_worker.error_text import describe
from coglet_worker.model import Model
from coglet_worker.outputs import send_item, send_items, send_result
from coglet_worker.running import RunningPrediction
from coglet_worker.runtime import Runtime, Terminal
from coglet_worker.slot import SlotBroken, SlotConnection


class AsyncLoop:
    """Runs one prediction per slot concurrently. `cancel`, `ping` and `stop` are called by other threads."""

    def __init__(
        self, runtime: Runtime, connections: Sequence[SlotConnection], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._runtime = runtime
        self._loop = loop
        self._slots = {connection.id: _AsyncSlot(runtime, connection, self) for connection in connections}
        self._stopping = False
        self._fault: BaseException | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def serve(self) -> None:
        """Serve until `stop` is called and the running predictions have ended.

        Raises SlotBroken if no slot is left, and whatever one of our own callbacks has raised.
        """
        for each in self._slots.values():
            each.start_reading()
        while self._open_slots():
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt) as error:
                # asyncio lets these two end the loop, even if they come from a background task.
                self._runtime.warn(
                    f"a background task of the model raised {describe(error)}; the event loop continues"
                )
                continue
            if self._fault is not None:
                raise self._fault
        if not self._stopping:
            raise SlotBroken("every slot is closed")

    def cancel(self, slot_id: str, prediction_id: str, sequence: int) -> None:
        """Cancel the task of prediction number `sequence`, now or when it starts. For the control thread."""
        if slot_id in self._slots:
            self._loop.call_soon_threadsafe(self.guarded, self._slots[slot_id].cancel, sequence)
        else:
            self._runtime.warn(f"ignoring cancel of {prediction_id}: this worker has no slot {slot_id}")

    def ping(self, ping_id: int) -> None:
        """Answer from the event loop, so that no Pong comes from a blocked one. For the control thread."""
        self._loop.call_soon_threadsafe(self._runtime.control.send, control.Pong(id=ping_id))

    def stop(self) -> None:
        """Make `serve` return once the running predictions have ended. For the control thread."""
        self._loop.call_soon_threadsafe(self.guarded, self._stop)

    def guarded(self, callback: Callable[..., None], *arguments: Any) -> None:
        """Call one of our own callbacks; `serve` raises what it raises.

        asyncio would only log the error, and the slot would hang.
        """
        try:
            callback(*arguments)
        except BaseException as error:  # noqa: BLE001 - re-raised by `serve`
            self._fault = error
            self._loop.stop()

    def slot_closed(self) -> None:
        """Stop the loop if this was the last open slot."""
        if not self._open_slots():
            self._loop.stop()

    def _stop(self) -> None:
        self._stopping = True
        for each in self._slots.values():
            each.close()

    def _open_slots(self) -> bool:
        return any(each.is_open for each in self._slots.values())


class _AsyncSlot:
    """One slot on the loop: at most one task, and a cancel that may have arrived before it."""

    def __init__(self, runtime: Runtime, connection: SlotConnection, owner: AsyncLoop) -> None:
        self._runtime = runtime
        self._connection = connection
        self._owner = owner
        self._reading = False
        self._task: asyncio.Task[Terminal] | None = None
        self._sequence = -1
        self._cancel_requested = -1

    @property
    def is_open(self) -> bool:
        return self._reading or self._task is not None

    def start_reading(self) -> None:
        self._reading = True
        self._owner.loop.add_reader(self._connection, self._owner.guarded, self._on_readable)

    def close(self) -> None:
        if self._reading:
            self._reading = False
            self._owner.loop.remove_reader(self._connection)
        self._owner.slot_closed()

    def cancel(self, sequence: int) -> None:
        if self._cancel_requested >= sequence:
            return  # a second cancel would interrupt the clean-up that the first one started
        self._cancel_requested = sequence
        if self._task is not None and self._sequence == sequence:
            self._task.cancel()

    def _on_readable(self) -> None:
        try:
            if not self._connection.read_available():
                self.close()
            self._start_next()
        except SlotBroken as error:
            self._runtime.poison(self._connection, str(error))
            if self._task is not None:
                self._task.cancel()
            self.close()

    def _start_next(self) -> None:
        if self._task is not None:
            return
        message = self._connection.next_received()
        if message is None:
            return
        context = contextvars.copy_context()
        prediction = context.run(self._runtime.begin, message, self._connection)
        self._sequence = message.sequence
        # `context.run`, because `create_task(context=...)` is new in Python 3.11.
        task = context.run(self._owner.loop.create_task, self._outcome(message, prediction))
        task.add_done_callback(lambda ended: self._owner.guarded(self._finish, prediction, ended))
        self._task = task
        if self._cancel_requested == message.sequence:
            task.cancel()

    def _finish(self, prediction: RunningPrediction, task: "asyncio.Task[Terminal]") -> None:
        if not task.cancelled():
            outcome = task.result()
        elif self._cancel_requested == self._sequence:
            outcome = slot.Cancelled(id=prediction.id)
        else:  # by the model itself, in its last step
            outcome = self._runtime.explain(
                prediction, asyncio.CancelledError("the model canceled its own task")
            )
        self._task = None
        self._runtime.end(prediction, outcome)
        if self._reading:
            self._start_next()
        else:
            self._owner.slot_closed()

    async def _outcome(self, message: slot.Predict, prediction: RunningPrediction) -> Terminal:
        try:
            outcome = await self._run(message, prediction)
        except BaseException as error:  # noqa: BLE001 - the author's code; sys.exit() must not end the loop
            if self._cancel_requested == message.sequence:
                return slot.Cancelled(id=message.id)
            return self._runtime.explain(prediction, error)
        if self._cancel_requested == message.sequence:
            return self._runtime.canceled(prediction, outcome)
        return outcome

    async def _run(self, message: slot.Predict, prediction: RunningPrediction) -> Terminal:
        model = self._runtime.model
        if model.call is None or model.inputs is None:
            return slot.Failed(id=message.id, error="Training not supported by this predictor")
        arguments = model.inputs.decode(message)
        if model.inputs.fetches(arguments):
            files = prediction.temporary_files
            await _in_own_thread(partial(model.inputs.convert, arguments, files, message.files))
        else:
            model.inputs.convert(arguments, prediction.temporary_files)
        started = time.perf_counter()
        result = model.call(**arguments)
        output, is_stream = await _send(model, prediction, result)
        elapsed = time.perf_counter() - started
        return slot.Done(id=message.id, predict_time=elapsed, output=output, is_stream=is_stream)


async def _in_own_thread(function: Callable[[], None]) -> None:
    """Run a blocking function in a new thread.

    Not in `asyncio.to_thread`, whose few threads are the model's: downloads must not queue for them.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def report(error: BaseException | None) -> None:
        if ended.cancelled():
            return
        if error is None:
            ended.set_result(None)
        else:
            ended.set_exception(error)

    def work() -> None:
        error: BaseException | None = None
        try:
            function()
        except BaseException as raised:  # noqa: BLE001 - re-raised on the loop
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(report, error)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(work,), name="cog-inputs", daemon=True).start()
    await ended


async def _send(model: Model, prediction: RunningPrediction, result: Any) -> tuple[bytes | None, bool]:
    """Send the result of the call, awaited if necessary. Return (JSON text for Done, is_stream)."""
    if hasattr(result, "__await__"):
        result = await result
    if model.is_iterator(result):
        send_items(prediction, result)
        return None, True
    if isinstance(result, AsyncIterator):
        await _send_each(prediction, result)
        return None, True
    return send_result(prediction, result)


async def _send_each(prediction: RunningPrediction, items: AsyncIterator[Any]) -> None:
    close = getattr(items, "aclose", None)
    try:
        async for item in items:
            send_item(prediction, item)
    finally:
        if close is not None:
            await close()
