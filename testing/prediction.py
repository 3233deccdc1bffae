"""One prediction on the slot of a worker, and its result."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from coglet_protocol import slot
from testing.channels import Inbox

Terminal = slot.Done | slot.Failed | slot.Cancelled


@dataclass(frozen=True)
class OutputFile:
    """A file that the worker has handed over."""

    name: str | None
    suffix: str
    content: bytes


@dataclass(frozen=True)
class Result:
    """All messages of a prediction, from the first to its terminal one. Files were read and deleted."""

    messages: Sequence[slot.FromWorker]
    terminal: Terminal
    items: Sequence[Any]
    """What came before the terminal message, in the order of its indexes: JSON values and `OutputFile`s."""
    placeholders: dict[str, OutputFile]

    @property
    def logs(self) -> str:
        return "".join(each.data for each in self.messages if isinstance(each, slot.Log))

    @property
    def metrics(self) -> list[tuple[str, Any, str]]:
        """Name, value and mode of each change."""
        metrics = (each for each in self.messages if isinstance(each, slot.Metric))
        return [(each.name, msgspec.json.decode(each.value), each.mode) for each in metrics]

    @property
    def output(self) -> Any:
        """The output as a client would see it, of a prediction that has succeeded."""
        assert isinstance(self.terminal, slot.Done), self.terminal
        if self.terminal.is_stream:
            return list(self.items)
        if self.terminal.output is not None:
            assert not self.items, "an output beside that of the terminal message"
            return msgspec.json.decode(self.terminal.output)
        assert len(self.items) < 2, "several outputs, but not of a stream"
        return self.items[0] if self.items else None

    @property
    def error(self) -> str:
        """The error of a prediction that has failed."""
        assert isinstance(self.terminal, slot.Failed), self.terminal
        return self.terminal.error

    @property
    def is_canceled(self) -> bool:
        return isinstance(self.terminal, slot.Cancelled)


class Prediction:
    """A prediction that was sent."""

    def __init__(self, message: slot.Predict, inbox: Inbox[slot.FromWorker]) -> None:
        before = inbox.messages
        assert not before or isinstance(before[-1], Terminal), f"said between predictions: {before[-1]}"
        self.message = message
        self._inbox = inbox
        self._first = self._scanned = len(before)
        self._result: Result | None = None

    def wait_log(self, text: str) -> None:
        """Waits until the prediction has printed `text`."""

        def logged(messages: list[slot.FromWorker]) -> bool | None:
            own = messages[self._first :]
            return text in "".join(each.data for each in own if isinstance(each, slot.Log)) or None

        self._inbox.wait_for(logged, f"log {text!r} of {self.message.id}")

    def wait_item(self, index: int) -> None:
        """Waits until that item of the output has arrived."""

        def arrived(messages: list[slot.FromWorker]) -> bool | None:
            own = messages[self._first :]
            return any(isinstance(each, slot.Output) and each.index == index for each in own) or None

        self._inbox.wait_for(arrived, f"item {index} of {self.message.id}")

    def result(self) -> Result:
        """Waits for the end."""
        if self._result is None:
            self._result = self._inbox.wait_for(self._find_result, f"end of {self.message.id}")
        return self._result

    def _find_result(self, messages: list[slot.FromWorker]) -> Result | None:
        while self._scanned < len(messages):
            terminal = messages[self._scanned]
            self._scanned += 1
            if isinstance(terminal, Terminal):
                assert terminal.id == self.message.id
                own = messages[self._first : self._scanned]
                return Result(own, terminal, *_read(own))
        return None


def _read(messages: Sequence[slot.FromWorker]) -> tuple[list[Any], dict[str, OutputFile]]:
    items: list[Any] = []
    placeholders: dict[str, OutputFile] = {}
    for message in messages:
        if isinstance(message, slot.FileOutput) and message.placeholder is not None:
            assert message.index == len(items), "a nested file belongs to the item that follows"
            placeholders[message.placeholder] = _take(message)
        elif isinstance(message, slot.Output | slot.FileOutput):
            assert message.index == len(items), f"item {message.index} in place {len(items)}"
            items.append(_value(message))
    return items, placeholders


def _value(message: slot.Output | slot.FileOutput) -> Any:
    if isinstance(message, slot.Output):
        return msgspec.json.decode(message.output)
    if message.kind == "oversized":
        return msgspec.json.decode(_take(message).content)
    return _take(message)


def _take(message: slot.FileOutput) -> OutputFile:
    path = Path(message.filename)
    content = path.read_bytes()
    path.unlink()
    return OutputFile(message.name, path.suffix, content)
