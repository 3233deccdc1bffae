"""The output of a prediction, in the order in which the model produced it, with URLs in place of files.

Encoding or uploading a file takes time and happens in a task; the items after it wait. Without files, items
are passed on immediately.
"""

import asyncio
import logging
import os
import weakref
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import msgspec

from coglet_protocol import slot
from coglet_protocol.errors import ProtocolError, SpillError
from coglet_protocol.spill import read_spill
from coglet_supervisor.predictions.hosted import HostedCall
from coglet_supervisor.predictions.output_names import UniqueNames
from coglet_supervisor.predictions.resources import RunResources
from coglet_supervisor.predictions.untrusted_json import is_one_value

log = logging.getLogger(__name__)

OUTPUT_LOST: Final = "Failed to deliver the output: this is a bug in the server, see its log"
INVALID_JSON: Final = "Failed to read output: the model's process sent invalid JSON"
# The memory that an item takes in addition to its text.
_ITEM_BYTES: Final = 64


class OutputFailed(Exception):
    """The output could not be read or delivered; the text goes to the client."""


class OutputTooLarge(OutputFailed):
    """The output takes more memory than allowed for one prediction."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"Output is larger than {limit_bytes} bytes (COG_MAX_OUTPUT_BYTES)")


class OutputReceiver(Protocol):
    """The part of PredictionRun that OutputQueue uses."""

    def output_ready(self, text: bytes) -> None:
        """Receive the next item, as JSON text."""
        ...

    def output_complete(self, end: "slot.Done | slot.Failed") -> None:
        """Receive the end of the prediction, after all items before it."""
        ...

    def output_failed(self, error: OutputFailed) -> None:
        """Receive the reason why the output cannot be delivered."""
        ...


@dataclass
class _Item:
    """One place in the output: its JSON text, and the files that must be delivered first."""

    text: bytes | None = None
    file: slot.FileOutput | None = None
    nested: list[slot.FileOutput] = field(default_factory=list)


class OutputQueue:
    """Holds the output of one prediction until its files are delivered, and passes it on in order.

    The worker writes files into `folder`.
    """

    def __init__(
        self,
        prediction_id: str,
        folder: str,
        resources: RunResources,
        receiver: OutputReceiver,
        hosted: HostedCall | None = None,
    ) -> None:
        self._prediction_id = prediction_id
        self._folder = folder
        self._store = resources.store
        if hosted is not None and resources.hosted_store is not None:
            self._store = resources.hosted_store(hosted)
        self._start_task = resources.start_task
        self._limit_bytes = resources.max_output_bytes
        # The run holds us: with a cycle, an output of many megabytes would stay in memory until the garbage
        # collector looks for cycles.
        self._receiver: OutputReceiver = weakref.proxy(receiver)
        self._names = UniqueNames()
        self._waiting: deque[_Item | slot.Done | slot.Failed] = deque()
        self._nested: dict[int, list[slot.FileOutput]] = {}
        self._delivery: asyncio.Task[None] | None = None
        self._held_bytes = 0
        self._is_closed = False

    def add(self, message: slot.Output) -> None:
        """Add an item whose text is in the message itself."""
        self._enqueue(_Item(text=message.output, nested=self._nested.pop(message.index, [])))

    def add_file(self, message: slot.FileOutput) -> None:
        """Add an item that is in a file, or a file inside a later item.

        Raises ProtocolError if the file is outside of the prediction's folder.
        """
        if os.path.dirname(message.filename) != self._folder:
            raise ProtocolError(f"file output outside of {os.path.basename(self._folder)}")
        if message.placeholder is not None:
            self._nested.setdefault(message.index, []).append(message)
        else:
            self._enqueue(_Item(file=message))

    def end(self, message: "slot.Done | slot.Failed") -> None:
        """Receive the last message, which contains the result of a sync model."""
        if isinstance(message, slot.Done) and message.output is not None:
            self._enqueue(_Item(text=message.output, nested=self._nested.pop(0, [])))
        if self._delivery is not None:
            self._waiting.append(message)
        else:
            self._receiver.output_complete(message)

    def take_room(self, size_bytes: int) -> bool:
        """Count `size_bytes` more as held. False if that exceeds the limit of one prediction."""
        self._held_bytes += size_bytes + _ITEM_BYTES
        return self._held_bytes <= self._limit_bytes

    def problem_of(self, metric: slot.Metric) -> OutputFailed | None:
        """Return why a metric cannot be part of the response, or None.

        One with appended values counts as output, because it is part of the same response.
        """
        if metric.mode == "append" and not self.take_room(len(metric.value)):
            return OutputTooLarge(self._limit_bytes)
        return None if is_one_value(metric.value) else OutputFailed(INVALID_JSON)

    def close(self) -> None:
        """Ignore items from now on; queued ones are still delivered unless `clear` follows."""
        self._is_closed = True

    def clear(self) -> None:
        """Drop the queued items, and cancel the delivery."""
        self._waiting.clear()
        if self._delivery is not None and self._delivery is not asyncio.current_task():
            self._delivery.cancel()

    def _enqueue(self, item: _Item) -> None:
        if self._is_closed:
            return  # a file is removed with the folder
        if item.text is not None:
            if not self.take_room(len(item.text)):
                self._fail(OutputTooLarge(self._limit_bytes))
                return
            if not is_one_value(item.text):
                self._fail(OutputFailed(INVALID_JSON))
                return
        if self._delivery is not None:
            self._waiting.append(item)
        elif item.text is None or item.nested:
            self._waiting.append(item)
            self._delivery = self._start_task(self._deliver())
        else:
            self._receiver.output_ready(item.text)

    def _fail(self, error: OutputFailed) -> None:
        if isinstance(error, OutputTooLarge):
            self._waiting.clear()
        self._receiver.output_failed(error)

    async def _deliver(self) -> None:
        """Deliver the queued items until the queue is empty."""
        try:
            while self._waiting:
                entry = self._waiting.popleft()
                if isinstance(entry, _Item):
                    self._receiver.output_ready(await self._resolve(entry))
                else:
                    self._receiver.output_complete(entry)
        except OutputFailed as error:
            self._waiting.clear()
            self._receiver.output_failed(error)
        except Exception:  # a bug of ours or of a library; the client must get a response
            log.exception("prediction %s: its output could not be delivered", self._prediction_id)
            self._waiting.clear()
            self._receiver.output_failed(OutputFailed(OUTPUT_LOST))
        self._delivery = None

    async def _resolve(self, item: _Item) -> bytes:
        """Return the JSON text of an item, with URLs in place of its files."""
        if item.text is not None:
            text = item.text
        else:
            assert item.file is not None
            text = await self._read(item.file)
            if not self.take_room(len(text)):
                raise OutputTooLarge(self._limit_bytes)
        for nested in item.nested:
            placeholder = msgspec.json.encode(nested.placeholder)
            text = text.replace(placeholder, await self._url_of(nested))
        return text

    async def _read(self, message: slot.FileOutput) -> bytes:
        if message.kind != "oversized":
            return await self._url_of(message)
        text = await asyncio.to_thread(_read_oversized, message, self._limit_bytes)
        if not is_one_value(text):
            raise OutputFailed(INVALID_JSON)
        return text

    async def _url_of(self, message: slot.FileOutput) -> bytes:
        path = Path(message.filename)
        try:
            name = self._names.take(message.name or path.name)
            return await self._store.deliver(path, name, self._prediction_id)
        finally:
            path.unlink(missing_ok=True)  # noqa: ASYNC240 - one system call, on a local file


def _read_oversized(message: slot.FileOutput, limit_bytes: int) -> bytes:
    path = Path(message.filename)
    try:
        if path.exists() and path.stat().st_size > limit_bytes:
            raise OutputTooLarge(limit_bytes)
        return read_spill(path)
    except SpillError as error:
        raise OutputFailed(f"Failed to read output: {error}") from error
