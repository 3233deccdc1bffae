"""The interface of a worker, which `WorkerProcess` and a fake of the tests implement."""

from typing import Protocol

from coglet_protocol import control
from coglet_supervisor.predictions.slots import Slot, SlotPool


class WorkerEvents(Protocol):
    """Receives the events of a worker."""

    def on_ready(self, slot_ids: list[str]) -> None:
        """Handle the end of the setup: the model is ready, and the slots with these ids are connected."""
        ...

    def on_control(self, message: control.FromWorker) -> None:
        """Handle any other control message. Raises ProtocolError if it is invalid, which kills the worker."""
        ...

    def on_replace(self, reason: str) -> None:
        """Handle that the worker is being killed because of `reason`."""
        ...

    def on_recycle_due(self) -> None:
        """Handle a reached recycling limit: the worker should be replaced between predictions."""
        ...


class Worker(Protocol):
    """One process that runs the model."""

    @property
    def pid(self) -> int: ...

    @property
    def spawned_at(self) -> str:
        """The time of its start, in RFC 3339."""
        ...

    @property
    def has_healthcheck(self) -> bool:
        """True if the model has a health check of its own."""
        ...

    @property
    def was_out_of_memory(self) -> bool | None:
        """Whether the OOM killer was active in its control group since the start; None if unknown."""
        ...

    @property
    def has_ended_a_prediction(self) -> bool: ...

    @property
    def loses_predictions(self) -> bool:
        """True if predictions have failed, or are about to fail, because the process exits."""
        ...

    async def attach(self, pool: SlotPool, events: WorkerEvents) -> None:
        """Connect the worker to the event loop. `open_slots` puts its slots into `pool`."""
        ...

    def send(self, message: control.ToWorker) -> None:
        """Send a message to the worker. Never blocks; ignored if the process has exited."""
        ...

    def open_slots(self, ids: list[str]) -> None:
        """Put its slots into the pool, under these ids."""
        ...

    def slot_named(self, slot_id: str) -> Slot | None: ...

    def replace(self, reason: str) -> None:
        """Kill the worker because of `reason`, after `on_replace`."""
        ...

    def recycle_failed(self) -> None:
        """Call `on_recycle_due` again after the next prediction: the worker could not be replaced now."""
        ...

    async def wait_end(self) -> int:
        """Wait until the process has exited and its final messages were read; return the exit code."""
        ...

    def fail_predictions(self, reason: str) -> None:
        """Fail all running predictions with `reason`, and close all slots for good."""
        ...

    def close_slots(self) -> None:
        """Accept no further predictions. Running ones continue."""
        ...

    async def retire(self) -> None:
        """Accept no further predictions, and wait until the running ones have ended."""
        ...

    async def stop(self, grace_s: float) -> None:
        """Shut down gracefully: wait up to `grace_s` for running predictions, then kill what is left."""
        ...

    async def end(self) -> None:
        """Kill the process tree without blocking the event loop. Idempotent."""
        ...

    def kill(self) -> None:
        """Kill the process tree. Blocks. Idempotent."""
        ...

    def kill_group(self) -> None:
        """Kill the process and all other processes of its process group."""
        ...
