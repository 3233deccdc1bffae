"""Converts a model's result to messages of its slot: items, files, and spill files for large values."""

import contextlib
import io
import os
import shutil
import uuid
from pathlib import Path
from typing import IO, Any, Final

from coglet_protocol import slot
from coglet_protocol.limits import MAX_INLINE_BYTES, cut_text
from coglet_protocol.spill import write_spill
from coglet_worker.encoding import OutputError, encode_json
from coglet_worker.error_text import built_in_attribute, text_of
from coglet_worker.running import RunningPrediction

_COPY_BYTES: Final = 1024 * 1024
_COLLECTIONS: Final = (list, tuple, set, frozenset)


def send_result(prediction: RunningPrediction, result: object) -> tuple[bytes | None, bool]:
    """Send what `run` returned, and return (JSON text for Done, is_stream).

    A list, tuple or set is sent item by item, so that its files are sent early; a file is sent as an item. A
    plain value travels inside Done, which saves a frame. Raises OutputError if the result cannot be sent.
    """
    if isinstance(result, _COLLECTIONS):
        send_items(prediction, result)
        return None, True
    if result is None:
        return None, False
    if isinstance(result, os.PathLike | io.IOBase):
        send_item(prediction, result)
        return None, False
    encoded = _encode(prediction, result, index=0)
    if len(encoded) > MAX_INLINE_BYTES:
        _spill(prediction, encoded, index=prediction.take_index())
        return None, False
    return encoded, False


def send_items(prediction: RunningPrediction, items: Any) -> None:
    """Send each item of an iterable, or of an object with only `__next__`, as soon as it exists.

    Raises OutputError if an item cannot be sent.
    """
    for item in items if hasattr(items, "__iter__") else _Iterable(items):
        send_item(prediction, item)


class _Iterable:
    """Makes an object iterable that has only `__next__`."""

    def __init__(self, items: Any) -> None:
        self._items = items

    def __iter__(self) -> "_Iterable":
        return self

    def __next__(self) -> object:
        return next(self._items)


def send_item(prediction: RunningPrediction, item: object) -> None:
    """Send one item of a generator, iterator or list. Raises OutputError if it cannot be sent."""
    index = prediction.take_index()
    if isinstance(item, os.PathLike | io.IOBase):
        _send_file(prediction, item, index)
        return
    encoded = _encode(prediction, item, index)
    if len(encoded) > MAX_INLINE_BYTES:
        _spill(prediction, encoded, index)
    else:
        prediction.connection.send(slot.Output(output=encoded, index=index))


def _encode(prediction: RunningPrediction, value: object, index: int) -> bytes:
    def on_file(file: "os.PathLike[str] | io.IOBase") -> str:
        # The supervisor replaces this text by the file's URL; being random, it cannot occur elsewhere.
        placeholder = f"cog-file:{uuid.uuid4()}"
        _send_file(prediction, file, index, placeholder)
        return placeholder

    return encode_json(value, on_file)


def _spill(prediction: RunningPrediction, encoded: bytes, index: int) -> None:
    try:
        path = write_spill(prediction.output_dir, encoded)
    except OSError as error:
        raise OutputError(
            f"output of {len(encoded)} bytes cannot be written to a temporary file: {error.strerror}"
        ) from error
    prediction.connection.send(slot.FileOutput(filename=str(path), kind="oversized", index=index))


def _send_file(
    prediction: RunningPrediction,
    file: "os.PathLike[str] | io.IOBase",
    index: int,
    placeholder: str | None = None,
) -> None:
    """Send a copy: the model may rewrite or remove its file before the supervisor has read it."""
    try:
        name, copy = (
            _copy_handle(prediction, file) if isinstance(file, io.IOBase) else _copy_path(prediction, file)
        )
    except OSError as error:
        filename = built_in_attribute(error, OSError, "filename")
        where = f" {filename}" if isinstance(filename, str) and filename else ""
        raise OutputError(f"Failed to read output file{where}: {_reason(error)}") from error
    except ValueError as error:  # a closed handle, invalid Unicode, a NUL in a path
        raise OutputError(f"Failed to read output file: {text_of(error)}") from error
    prediction.connection.send(
        slot.FileOutput(
            filename=str(copy), kind="file_type", name=cut_text(name), index=index, placeholder=placeholder
        )
    )


def _reason(error: OSError) -> str:
    # An author's `__fspath__` may raise an OSError without `strerror`.
    reason = built_in_attribute(error, OSError, "strerror")
    return reason if isinstance(reason, str) else text_of(error)


def _copy_path(prediction: RunningPrediction, path: "os.PathLike[str]") -> tuple[str, Path]:
    source = Path(path)
    # Non-blocking, so that a FIFO is rejected below instead of being waited for.
    descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not _is_regular(descriptor):
        os.close(descriptor)
        raise OutputError(f"Failed to read output file {source}: not a regular file")
    with open(descriptor, "rb") as opened:
        return source.name, _copy(opened, prediction.output_dir, source.suffix)


def _is_regular(descriptor: int) -> bool:
    import stat

    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def _copy_handle(prediction: RunningPrediction, handle: io.IOBase) -> tuple[str, Path]:
    if handle.seekable():
        handle.seek(0)
    given = getattr(handle, "name", None)
    name = os.path.basename(given) if isinstance(given, str) and given else "output.bin"
    return name, _copy(handle, prediction.output_dir, Path(name).suffix or ".bin")


def _copy(source: Any, folder: Path, suffix: str) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{uuid.uuid4()}{cut_text(suffix[:32])}"
    try:
        with open(path, "xb", opener=_private) as copy:
            if not _copy_in_kernel(source, copy):
                _copy_through_memory(source, copy)
    except BaseException:  # also a cancel, which must not leave the file behind
        path.unlink(missing_ok=True)
        raise
    return path


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _copy_in_kernel(source: Any, copy: IO[bytes]) -> bool:
    """Copy between two real files with sendfile(2). Return False if that is not possible."""
    if not (isinstance(source, io.BufferedReader) and hasattr(os, "sendfile")):
        return False
    with contextlib.suppress(OSError):
        size, done = os.fstat(source.fileno()).st_size, source.tell()
        while done < size:
            sent = os.sendfile(copy.fileno(), source.fileno(), done, size - done)
            if not sent:
                break
            done += sent
        return True
    return False


def _copy_through_memory(source: Any, copy: IO[bytes]) -> None:
    copy.seek(0)
    copy.truncate()
    first = source.read(_COPY_BYTES)
    if isinstance(first, str):
        copy.write(first.encode())
        while text := source.read(_COPY_BYTES):
            copy.write(text.encode())
    elif first:
        copy.write(first)
        shutil.copyfileobj(source, copy, _COPY_BYTES)
