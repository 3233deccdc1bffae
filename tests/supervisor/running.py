"""One slot with a fake worker behind it, for tests of what runs there; and predictions without a run."""

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coglet_protocol import slot
from coglet_protocol.framing import Deframer
from coglet_supervisor.client_tasks import StartTask
from coglet_supervisor.predictions.data_url_store import DataUrls
from coglet_supervisor.predictions.prediction import Listener, Prediction, PredictionSpec
from coglet_supervisor.predictions.resources import FileStore, RunResources
from coglet_supervisor.predictions.run import PredictionRun
from coglet_supervisor.predictions.slots import Slot, SlotPool

MAX_BYTES = 1024 * 1024


def new_prediction(listeners: Sequence[Listener] = (), **spec: Any) -> Prediction:
    """A prediction with the id `p` and no input, unless `spec` says otherwise."""
    return Prediction(new_spec(**spec), listeners=listeners)


def new_spec(**changes: Any) -> PredictionSpec:
    defaults: dict[str, Any] = {"id": "p", "kind": "prediction", "input_json": b"{}"}
    return PredictionSpec(**{**defaults, **changes})


class Wire(asyncio.Transport):
    """The socket to the worker."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_aborted = False

    def write(self, data: Any) -> None:
        self.written += data

    def abort(self) -> None:
        self.is_aborted = True

    @property
    def sent(self) -> slot.Predict:
        """The one message that was sent to the worker."""
        (payload,) = Deframer().feed(self.written)
        message = slot.decode_to_worker(payload)
        assert isinstance(message, slot.Predict)
        return message


class Owner:
    """The worker process: it notes what the slot asks of it."""

    def __init__(self, cancel_grace_s: float | None = None) -> None:
        self.cancel_grace_s = cancel_grace_s
        self.heard: list[str] = []
        self.replaced: asyncio.Queue[str] = asyncio.Queue()

    @property
    def cancels(self) -> int:
        """How often it was asked to cancel."""
        return sum(entry.startswith("cancel ") for entry in self.heard)

    def cancel(self, slot_id: str, prediction_id: str, sequence: int) -> None:
        self.heard.append(f"cancel {prediction_id} {sequence}")

    def replace(self, reason: str) -> None:
        self.replaced.put_nowait(reason)

    def slot_connected(self, connected: Slot) -> None:
        self.heard.append("connected")

    def slot_idle(self) -> None:
        self.heard.append("idle")

    def prediction_ended(self) -> None:
        self.heard.append("ended")

    def prediction_lost(self) -> None:
        self.heard.append("lost")

    def slot_lost(self, lost: Slot, reason: str) -> None:
        lost.poison(reason)

    def is_worker(self, peer: socket.socket) -> bool:
        return True


class Bench:
    """One slot in its pool, the runs on it, and how many slots were free at the end of each."""

    def __init__(
        self,
        folder: Path,
        *,
        owner: Owner | None = None,
        store: FileStore | None = None,
        start_task: StartTask | None = None,
        max_output_bytes: int = MAX_BYTES,
        timeout_s: float | None = None,
    ) -> None:
        self.folder = folder
        self.owner = owner or Owner()
        self.pool = SlotPool()
        self.slot = Slot(self.pool, self.owner)
        self.wire = Wire()
        self.slot.connected(self.wire)
        self.slot.open("slot-0")
        self.echoed: list[str] = []
        self.free_at_end: list[int] = []
        self.resources = RunResources(
            folder=folder,
            store=store or DataUrls(MAX_BYTES),
            start_task=start_task or asyncio.get_running_loop().create_task,
            echo=lambda _id, _source, text: self.echoed.append(text),
            max_output_bytes=max_output_bytes,
            max_log_bytes=MAX_BYTES,
            stream_history=100,
            timeout_s=timeout_s,
        )

    @property
    def files(self) -> list[Path]:
        """What stands in the folder of all runs."""
        return list(self.folder.iterdir())

    def run(self, sequence: int = 1, **spec: Any) -> PredictionRun:
        """Runs a prediction on the slot, which must be free."""
        assert self.pool.acquire() is self.slot
        run = PredictionRun(
            new_spec(**spec),
            sequence,
            self.resources,
            on_end=lambda _: self.free_at_end.append(self.pool.free),
        )
        run.start(self.slot)
        return run


async def others_to_end() -> None:
    """Waits until nothing is done in the background any more."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)
