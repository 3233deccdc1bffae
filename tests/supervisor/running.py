"""One slot with a fake worker, for tests of runs; and predictions without a run."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.supervisor.fakes import Owner, Wire

from coglet_protocol import slot
from coglet_protocol.framing import Deframer
from coglet_supervisor.client_tasks import StartTask
from coglet_supervisor.predictions.data_url_store import DataUrls
from coglet_supervisor.predictions.hosted import HostedCall
from coglet_supervisor.predictions.prediction import Listener, Prediction, PredictionSpec, Terminal
from coglet_supervisor.predictions.queue import RunQueue
from coglet_supervisor.predictions.resources import FileStore, RunResources
from coglet_supervisor.predictions.run import PredictionRun
from coglet_supervisor.predictions.run_input import RunInput
from coglet_supervisor.predictions.slots import Slot, SlotPool
from coglet_supervisor.records.memory import MemoryStore
from coglet_supervisor.records.store import Limits, Store

MAX_BYTES = 1024 * 1024


def new_prediction(listeners: Sequence[Listener] = (), **spec: Any) -> Prediction:
    """Return a prediction with the id `p` and no input; `spec` overrides fields of its PredictionSpec."""
    return Prediction(new_spec(**spec), listeners=listeners)


def end(prediction: Prediction, status: Terminal, **fields: Any) -> None:
    """Decide and publish the end of a prediction."""
    prediction.finish(status, **fields)
    prediction.publish()


def new_store(
    max_records: int = 10, max_bytes: int = MAX_BYTES, ttl_s: float = 60.0, **clock: Any
) -> MemoryStore:
    return MemoryStore(Limits(max_records=max_records, max_bytes=max_bytes, ttl_s=ttl_s), **clock)


def new_spec(**changes: Any) -> PredictionSpec:
    defaults: dict[str, Any] = {"id": "p", "kind": "prediction"}
    given = RunInput(changes.pop("input_json", b"{}"))
    return PredictionSpec(input=given, **{**defaults, **changes})


class SlotWire(Wire):
    """The transport of the worker's socket."""

    @property
    def is_aborted(self) -> bool:
        return self.ended == "aborted"

    @property
    def all_sent(self) -> list[slot.Predict]:
        """What was sent to the worker."""
        return [slot.decode_to_worker(payload) for payload in Deframer().feed(self.written)]

    @property
    def sent(self) -> slot.Predict:
        """The only message that was sent to the worker."""
        (message,) = self.all_sent
        return message


class Bench:
    """One slot in a pool, its runs, and how many slots were free at the end of each run."""

    def __init__(
        self,
        folder: Path,
        *,
        owner: Owner | None = None,
        store: FileStore | None = None,
        hosted_store: Callable[[HostedCall], FileStore] | None = None,
        start_task: StartTask | None = None,
        max_output_bytes: int = MAX_BYTES,
        timeout_s: float | None = None,
        queue_size: int = 0,
        queue_timeout_s: float | None = None,
        records: Store | None = None,
        token: str | None = None,
    ) -> None:
        self.folder = folder
        self.owner = owner or Owner()
        self.pool = SlotPool(RunQueue(queue_size, MAX_BYTES))
        self.records = records or new_store()
        self.slot = Slot(self.pool, self.owner)
        self.wire = SlotWire()
        self.slot.connected(self.wire)
        self.slot.open("slot-0")
        self.echoed: list[str] = []
        self.free_at_end: list[int] = []
        self.resources = RunResources(
            folder=folder,
            store=store or DataUrls(MAX_BYTES),
            hosted_store=hosted_store,
            recorder=self.records,
            start_task=start_task or asyncio.get_running_loop().create_task,
            echo=lambda _id, _source, text: self.echoed.append(text),
            max_output_bytes=max_output_bytes,
            max_log_bytes=MAX_BYTES,
            stream_history=100,
            timeout_s=timeout_s,
            queue_timeout_s=queue_timeout_s,
            token=token,
        )

    @property
    def files(self) -> list[Path]:
        """The files in the folder of all runs."""
        return list(self.folder.iterdir())

    def run(self, sequence: int = 1, **spec: Any) -> PredictionRun:
        """Start a prediction on the slot, which must be free."""
        assert self.pool.acquire() is self.slot
        run = self.new_run(sequence, **spec)
        run.assign(self.slot)
        run.accept()
        return run

    def new_run(self, sequence: int = 1, **spec: Any) -> PredictionRun:
        """Return a run that is not accepted yet, and has no slot."""
        return PredictionRun(new_spec(**spec), sequence, self.resources, owner=self)

    def leave_queue(self, run: PredictionRun) -> None:
        """See RunOwner."""
        self.pool.queue.remove(run)

    def run_ended(self, run: PredictionRun) -> None:
        """See RunOwner."""
        self.free_at_end.append(self.pool.free)


async def others_to_end() -> None:
    """Wait until all other tasks have ended."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)
