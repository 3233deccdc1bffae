"""How a result is sent: values, items, copies of files, and values that are too large for a frame."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.worker.parts import Parts, SlotEnd

from coglet_protocol import slot
from coglet_protocol.limits import MAX_INLINE_BYTES
from coglet_worker.encoding import OutputError
from coglet_worker.outputs import send_item, send_items, send_result
from coglet_worker.running import RunningPrediction

LARGE = "x" * MAX_INLINE_BYTES


class Outputs:
    """A running prediction, and the outputs that its supervisor has received."""

    def __init__(self, parts: Parts) -> None:
        self.folder = parts.folder / "outputs"
        self._slot: SlotEnd = parts.add_slot()
        message = slot.Predict(id="p", output_dir=str(self.folder), input=b"{}", sequence=1)
        self.prediction = RunningPrediction(message, self._slot.connection, parts.gate, parts.router.orphans)

    @property
    def sent(self) -> list[slot.FromWorker]:
        self._slot.connection.flush()
        return self._slot.said

    def result(self, value: object) -> tuple[bytes | None, bool]:
        return send_result(self.prediction, value)

    def file(self) -> slot.FileOutput:
        """Return the one file that was sent."""
        (message,) = self.sent
        assert isinstance(message, slot.FileOutput)
        return message


@pytest.fixture
def outputs(parts: Parts) -> Outputs:
    return Outputs(parts)


@pytest.mark.parametrize(
    ("value", "text"), [(1, b"1"), ("a", b'"a"'), ({"a": [1]}, b'{"a":[1]}'), (False, b"false"), ("", b'""')]
)
def test_a_value_goes_into_the_end(outputs: Outputs, value: object, text: bytes) -> None:
    assert outputs.result(value) == (text, False)
    assert outputs.sent == []


def test_none_is_not_an_output(outputs: Outputs) -> None:
    assert outputs.result(None) == (None, False)
    assert outputs.sent == []


@pytest.mark.parametrize(
    "value", [[1, 2], (1, 2), {1, 2}, frozenset({1, 2})], ids=lambda value: type(value).__name__
)
def test_a_collection_goes_item_by_item(outputs: Outputs, value: object) -> None:
    assert outputs.result(value) == (None, True)
    assert outputs.sent == [slot.Output(output=b"1", index=0), slot.Output(output=b"2", index=1)]


def test_an_empty_list_is_a_stream_without_items(outputs: Outputs) -> None:
    assert outputs.result([]) == (None, True)
    assert outputs.sent == []


def test_an_object_with_only_next_can_be_sent(outputs: Outputs) -> None:
    class Once:
        left = True

        def __next__(self) -> int:
            if not self.left:
                raise StopIteration
            self.left = False
            return 1

    send_items(outputs.prediction, Once())
    assert outputs.sent == [slot.Output(output=b"1", index=0)]


# files


def test_a_file_is_copied_under_its_name(outputs: Outputs, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(b"content")
    assert outputs.result(file) == (None, False)
    file.write_bytes(b"rewritten")
    sent = outputs.file()
    assert (sent.kind, sent.name, sent.index, sent.placeholder) == ("file_type", "picture.png", 0, None)
    copy = Path(sent.filename)
    assert (copy.parent, copy.suffix, copy.read_bytes()) == (outputs.folder, ".png", b"content")
    assert (copy.stat().st_mode & 0o777, outputs.folder.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize(
    ("make", "name", "content"),
    [
        (lambda folder: io.BytesIO(b"bytes"), "output.bin", b"bytes"),
        (lambda folder: io.StringIO("t\u00e9xt"), "output.bin", "t\u00e9xt".encode()),
        (lambda folder: open(folder / "some.txt", "rb"), "some.txt", b"some"),
        (lambda folder: open(folder / "some.txt"), "some.txt", b"some"),
    ],
    ids=["BytesIO", "StringIO", "binary file", "text file"],
)
def test_a_handle_is_sent_from_its_beginning(
    outputs: Outputs, tmp_path: Path, make: Callable[[Path], Any], name: str, content: bytes
) -> None:
    (tmp_path / "some.txt").write_bytes(b"some")
    with make(tmp_path) as handle:
        handle.read(1)
        send_item(outputs.prediction, handle)
    sent = outputs.file()
    assert (sent.name, Path(sent.filename).read_bytes()) == (name, content)


def test_a_file_inside_a_value_has_a_placeholder(outputs: Outputs, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a")
    text, is_stream = outputs.result({"file": tmp_path / "a.txt", "n": 1})
    sent = outputs.file()
    assert sent.placeholder is not None
    assert (text, is_stream) == (b'{"file":"%b","n":1}' % sent.placeholder.encode(), False)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (
            lambda folder: folder / "gone.txt",
            "Failed to read output file {}/gone.txt: No such file or directory",
        ),
        (lambda folder: folder, "Failed to read output file {}: not a regular file"),
        (lambda folder: Path("a\0b"), "Failed to read output file: embedded null byte"),
    ],
    ids=["missing", "folder", "NUL"],
)
def test_a_file_that_cannot_be_read(
    outputs: Outputs, tmp_path: Path, make: Callable[[Path], Path], reason: str
) -> None:
    with pytest.raises(OutputError) as caught:
        send_item(outputs.prediction, make(tmp_path))
    assert str(caught.value) == reason.format(tmp_path)
    assert outputs.sent == []


def test_a_fifo_is_refused_and_not_waited_for(outputs: Outputs, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OutputError, match="not a regular file"):
        send_item(outputs.prediction, tmp_path / "fifo")


def test_a_handle_that_is_closed(outputs: Outputs) -> None:
    handle = io.BytesIO(b"x")
    handle.close()
    with pytest.raises(OutputError, match=r"^Failed to read output file: I/O operation on closed file"):
        send_item(outputs.prediction, handle)


def test_a_copy_that_fails_leaves_nothing(outputs: Outputs) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(OutputError, match="Input/output error"):
        send_item(outputs.prediction, Broken(b"x"))
    assert list(outputs.folder.iterdir()) == []


# too large for a frame


def test_a_large_value_travels_in_a_file(outputs: Outputs) -> None:
    assert outputs.result(LARGE) == (None, False)
    sent = outputs.file()
    assert (sent.kind, sent.index) == ("oversized", 0)
    assert Path(sent.filename).stat().st_size == len(LARGE) + 2


def test_items_keep_their_numbers_whatever_their_size(outputs: Outputs) -> None:
    send_items(outputs.prediction, iter(["a", LARGE, "b"]))
    assert [
        (type(message), message.index)
        for message in outputs.sent
        if isinstance(message, slot.Output | slot.FileOutput)
    ] == [(slot.Output, 0), (slot.FileOutput, 1), (slot.Output, 2)]


def test_a_value_just_below_the_limit_needs_no_file(outputs: Outputs) -> None:
    text, _ = outputs.result("x" * (MAX_INLINE_BYTES - 2))
    assert text is not None
    assert len(text) == MAX_INLINE_BYTES


def test_a_large_value_without_a_place_for_its_file(outputs: Outputs) -> None:
    outputs.folder.write_text("not a folder")
    with pytest.raises(OutputError, match=r"^output of \d+ bytes cannot be written to a temporary file: "):
        outputs.result(LARGE)
