"""What the rest of the supervisor needs of a worker: `WorkerProcess`, or a test's."""

from typing import Protocol

from coglet_protocol import control
from coglet_supervisor.predictions.slots import Slot, SlotPool


class WorkerEvents(Protocol):
    """Receives what happens to a worker."""

    def on_ready(self, slot_ids: list[str]) -> None:
        """The model is set up, and the slots of these ids are connected."""
        ...

    def on_control(self, message: control.FromWorker) -> None:
        """Any other message of the control channel. Raises ProtocolError, which ends the worker."""
        ...

    def on_replace(self, reason: str) -> None:
        """It is being killed, because `reason`."""
        ...

    def on_recycle_due(self) -> None:
        """It has reached one of its limits, and should be replaced between predictions."""
        ...


class Worker(Protocol):
    """One process that runs the model."""

    @property
    def pid(self) -> int: ...

    @property
    def spawned_at(self) -> str:
        """When it was started, in RFC 3339."""
        ...

    @property
    def has_healthcheck(self) -> bool:
        """True if the model has a health check of its own."""
        ...

    @property
    def was_out_of_memory(self) -> bool | None:
        """True if the kernel has killed in its control group for want of memory; None if that is unknown."""
        ...

    @property
    def has_ended_a_prediction(self) -> bool: ...

    @property
    def loses_predictions(self) -> bool:
        """True when predictions failed, or are about to fail, because of its end."""
        ...

    async def attach(self, pool: SlotPool, events: WorkerEvents) -> None:
        """Listens to it from now on. Its slots go to `pool` after `open_slots`."""
        ...

    def send(self, message: control.ToWorker) -> None:
        """Sends it a message. Never blocks; one that has ended gets none."""
        ...

    def open_slots(self, ids: list[str]) -> None:
        """Makes its slots take predictions, under these ids."""
        ...

    def slot_named(self, slot_id: str) -> Slot | None: ...

    def replace(self, reason: str) -> None:
        """Kills it, because `reason`."""
        ...

    def recycle_failed(self) -> None:
        """It could not be replaced now; after its next prediction it is tried again."""
        ...

    async def wait_end(self) -> int:
        """Returns its exit code, after its last messages."""
        ...

    def fail_predictions(self, reason: str) -> None:
        """Fails all that runs on it with `reason`; no slot is handed out again."""
        ...

    async def retire(self) -> None:
        """Hands out no slot again; returns when what runs has ended."""
        ...

    async def stop(self, grace_s: float) -> None:
        """Lets what runs end within `grace_s`, and the process soon after; kills what is left."""
        ...

    async def end(self) -> None:
        """Kills it and all that it has started, while the event loop goes on. Safe to repeat."""
        ...

    def kill(self) -> None:
        """As `end`, at once. Safe to repeat."""
        ...

    def kill_group(self) -> None:
        """Kills the process and those of its group."""
        ...
