"""What a prediction gives, in the order in which the model gave it, with its files turned into URLs.

A file takes time: it is encoded or uploaded in a task, and what came after it waits in line. A prediction
without files never leaves the event loop's turn.
"""

import asyncio
import logging
import os
import shutil
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from coglet_protocol import slot
from coglet_protocol.errors import ProtocolError, SpillError
from coglet_protocol.spill import read_spill
from coglet_supervisor.cleaning import clean_up
from coglet_supervisor.predictions.output_names import UniqueNames
from coglet_supervisor.predictions.prediction import Prediction
from coglet_supervisor.predictions.untrusted_json import is_one_value
from coglet_supervisor.printed_text import PrintedText

log = logging.getLogger(__name__)

StartTask = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]
# What the smallest item takes in memory, whatever it is.
_ITEM_BYTES: Final = 64

OUTPUT_LOST: Final = "Failed to deliver the output: this is a fault of the server, see its log"

NO_JSON: Final = "Failed to read output: what the model's process sent is not JSON"

EndMessage = slot.Done | slot.Failed | slot.Cancelled


class OutputFailed(Exception):
    """A file of the output could not be delivered; the text goes to the client."""


class OutputTooLarge(OutputFailed):
    """More than one prediction may occupy in the memory of the server."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"Output is larger than {limit_bytes} bytes (COG_MAX_OUTPUT_BYTES)")


class FileStore(Protocol):
    """Where output files go: into the response, or to an upload server."""

    async def deliver(self, file: Path, name: str, prediction_id: str) -> bytes:
        """Gives the URL that stands for the file, as JSON text. Raises OutputFailed."""
        ...


@dataclass(frozen=True)
class Delivery:
    """What every prediction needs to bring its output to the client."""

    folder: Path  # of the server; each prediction has one of its own in it
    store: FileStore
    start_task: StartTask
    max_output_bytes: int
    max_log_bytes: int


@dataclass
class _Item:
    """One place in the output: its JSON text, and the files that must be delivered first."""

    text: bytes | None = None
    file: slot.FileOutput | None = None
    nested: list[slot.FileOutput] = field(default_factory=list)


class OutputCollector:
    """Receives a slot's messages for one prediction and brings them into the prediction in order."""

    def __init__(
        self,
        prediction: Prediction,
        folder: Path,
        delivery: Delivery,
        *,
        on_log: Callable[[str, str, str], None],
        on_end: Callable[[Prediction], None],
    ) -> None:
        self.prediction = prediction
        self.folder = folder
        self._means = delivery
        self._on_log = on_log
        self._on_end = on_end
        self._names = UniqueNames()
        self._line: deque[_Item | EndMessage] = deque()
        self._nested: dict[int, list[slot.FileOutput]] = {}
        self._delivery: asyncio.Task[None] | None = None
        self._worker_is_done = False
        self._failure: str | None = None
        self._held_bytes = 0
        prediction.printed = PrintedText(delivery.max_log_bytes)
        prediction.on_cancel = self._cancel

    def started(self, cancel_in_worker: Callable[[], None]) -> None:
        """It was handed to a worker, which `cancel_in_worker` asks to stop."""
        self._cancel_in_worker = cancel_in_worker
        self.prediction.start()

    def log(self, source: str, data: str) -> None:
        """Printed text; it does not wait in line."""
        self.prediction.log(source, data)
        self._on_log(self.prediction.id, source, data)

    def item(self, message: slot.Output) -> None:
        """An item that travelled inline."""
        nested = self._nested.pop(message.index, [])
        self._enqueue(_Item(text=message.output, nested=nested))

    def file(self, message: slot.FileOutput) -> None:
        """An item in a file, or a file inside an item that follows. Raises ProtocolError."""
        if os.path.dirname(message.filename) != str(self.folder):
            raise ProtocolError(f"file output outside of {self.folder.name}")
        if message.placeholder is not None:
            self._nested.setdefault(message.index, []).append(message)
        else:
            self._enqueue(_Item(file=message))

    def metric(self, message: slot.Metric) -> None:
        """A change of a metric. Those that grow count as output, with which they share the answer."""
        if message.mode == "append" and not self._has_room(len(message.value)):
            self._stop_and_fail(str(OutputTooLarge(self._means.max_output_bytes)))
        elif not is_one_value(message.value):
            self._stop_and_fail(NO_JSON)
        else:
            self.prediction.measure(message.name, message.value, message.mode)

    def ended(self, message: EndMessage) -> None:
        """The worker is done with it."""
        self._worker_is_done = True
        if isinstance(message, slot.Cancelled):
            self._line.clear()  # nobody waits for what is still to be delivered
            self._end("canceled")
            return
        if isinstance(message, slot.Done) and message.output is not None:
            self._enqueue(_Item(text=message.output, nested=self._nested.pop(0, [])))
        self._enqueue(message)

    def failed(self, reason: str) -> None:
        """The worker is gone: the prediction ends now, whatever waits in line."""
        self._line.clear()
        if self.prediction.cancel_requested:
            self._end("canceled")
        else:
            self._end("failed", error=reason)

    def _enqueue(self, entry: "_Item | EndMessage") -> None:
        if self._failure is not None and isinstance(entry, _Item):
            return  # it is being stopped; a file goes with the folder
        if isinstance(entry, _Item) and entry.text is not None and not self._has_room(len(entry.text)):
            self._stop_and_fail(str(OutputTooLarge(self._means.max_output_bytes)))
            return
        if isinstance(entry, _Item) and entry.text is not None and not is_one_value(entry.text):
            self._stop_and_fail(NO_JSON)
            return
        if self._delivery is not None:
            self._line.append(entry)
        elif isinstance(entry, _Item) and (entry.text is None or entry.nested):
            self._line.append(entry)
            self._delivery = self._means.start_task(self._deliver())
        else:
            self._take(entry)

    def _take(self, entry: "_Item | EndMessage") -> None:
        if isinstance(entry, _Item):
            assert entry.text is not None
            self.prediction.produce(entry.text)
        elif isinstance(entry, slot.Done):
            self._end("succeeded", is_stream=entry.is_stream)
        elif isinstance(entry, slot.Failed):
            self._end("failed", error=entry.error)

    def time_out(self, limit_s: float) -> None:
        """It takes too long: stopped like a canceled one, but it has failed."""
        self._stop_and_fail(f"Prediction timed out after {limit_s:g} seconds")

    def _stop_and_fail(self, reason: str) -> None:
        """It has failed, which is told when the worker has stopped: its slot must be free by then."""
        if self.prediction.is_terminal:
            return
        self._failure = reason
        if self._worker_is_done:
            self._end("failed")
        else:
            self.prediction.request_cancel()

    def _has_room(self, size_bytes: int) -> bool:
        """False when one prediction may not occupy so much; what it has given is let go then."""
        self._held_bytes += size_bytes + _ITEM_BYTES
        if self._held_bytes <= self._means.max_output_bytes:
            return True
        self._line.clear()
        self.prediction.forget_output()
        return False

    def _cancel(self) -> None:
        if self._worker_is_done:
            self._line.clear()
            self._end("canceled")
        else:
            self._cancel_in_worker()

    def _end(self, status: Any, *, error: str | None = None, is_stream: bool = False) -> None:
        if self.prediction.is_terminal:
            return
        if self._failure is not None:
            status, error = "failed", self._failure
        if self._delivery is not None and self._delivery is not asyncio.current_task():
            self._delivery.cancel()
        self.remove_folder()
        self.prediction.finish(status, error=error, is_stream=is_stream)
        self._on_end(self.prediction)

    async def _deliver(self) -> None:
        """Works off the line until it is empty."""
        try:
            while self._line:
                entry = self._line.popleft()
                if isinstance(entry, _Item):
                    await self._resolve(entry)
                self._take(entry)
        except OutputFailed as error:
            self._line.clear()
            self._stop_and_fail(str(error))
        except Exception:  # a fault of ours, or of a library; the client must not wait without end
            log.exception("prediction %s: its output could not be delivered", self.prediction.id)
            self._line.clear()
            self._stop_and_fail(OUTPUT_LOST)
        self._delivery = None

    async def _resolve(self, entry: _Item) -> None:
        if entry.file is not None:
            if entry.file.kind == "oversized":
                limit_bytes = self._means.max_output_bytes
                entry.text = await asyncio.to_thread(_read_oversized, entry.file, limit_bytes)
                if not is_one_value(entry.text):
                    raise OutputFailed(NO_JSON)
            else:
                entry.text = await self._url_of(entry.file)
            if not self._has_room(len(entry.text)):
                raise OutputTooLarge(self._means.max_output_bytes)
        for nested in entry.nested:
            url = await self._url_of(nested)
            assert entry.text is not None
            placeholder = msgspec.json.encode(nested.placeholder)
            entry.text = entry.text.replace(placeholder, url)

    async def _url_of(self, message: slot.FileOutput) -> bytes:
        path = Path(message.filename)
        try:
            name = self._names.take(message.name or path.name)
            return await self._means.store.deliver(path, name, self.prediction.id)
        finally:
            path.unlink(missing_ok=True)  # noqa: ASYNC240 - one system call, on a local file

    def remove_folder(self) -> None:
        """Nobody needs its files any more."""
        try:
            os.rmdir(self.folder)
        except FileNotFoundError:
            pass  # nothing was spilled or copied
        except OSError:
            self.start_task(clean_up(lambda: shutil.rmtree(self.folder, ignore_errors=True)))

    def start_task(self, work: Coroutine[Any, Any, None]) -> None:
        """Does work for the prediction that may outlive it."""
        self._means.start_task(work)


def _read_oversized(message: slot.FileOutput, limit_bytes: int) -> bytes:
    path = Path(message.filename)
    try:
        if path.exists() and path.stat().st_size > limit_bytes:
            raise OutputTooLarge(limit_bytes)
        return read_spill(path)
    except SpillError as error:
        raise OutputFailed(f"Failed to read output: {error}") from error
