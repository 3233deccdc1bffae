"""The text of one Python file: from bytes on disk to plain UTF-8, and from offsets to lines."""

import io
from bisect import bisect_right
from functools import cached_property
from pathlib import Path
from typing import Final

from coglet_schema.errors import ErrorKind, Place, SchemaError

_UTF8_BOM: Final = b"\xef\xbb\xbf"


class Source:
    """One file's text. Offsets count bytes of `text`, which is UTF-8 with `\\n` as the only line end."""

    def __init__(self, file: str, text: bytes) -> None:
        self.file = file
        self.text = text

    def slice(self, start: int, end: int) -> str:
        # A cut through a multi-byte character can only come from an error node of the parser.
        return self.text[start:end].decode(errors="replace")

    def place(self, offset: int) -> Place:
        row = bisect_right(self._line_starts, offset) - 1
        column = len(self.slice(self._line_starts[row], offset))
        return Place(self.file, row + 1, column + 1)

    @cached_property
    def _line_starts(self) -> list[int]:
        starts = [0]
        position = self.text.find(b"\n")
        while position >= 0:
            starts.append(position + 1)
            position = self.text.find(b"\n", position + 1)
        return starts


def read_source(path: Path, file: str, max_bytes: int) -> Source:
    """Read `path`; `file` is the name that errors show.

    Raises OSError if it cannot be read, SchemaError if it is larger than `max_bytes` or is not Python text.
    """
    with path.open("rb") as stream:
        data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise syntax_error(
            Source(file, b""),
            0,
            "too many bytes of source to analyze",
            hint="keep large data out of the files that define inputs and outputs",
        )
    return decode_source(data, file)


def decode_source(data: bytes, file: str) -> Source:
    """Decode by encoding declaration and byte order mark, and convert line ends, as Python does.

    Raises SchemaError for null bytes, and for bytes or an encoding that cannot be decoded.
    """
    data = data.removeprefix(_UTF8_BOM)
    if (nul := data.find(b"\0")) >= 0:
        raise syntax_error(Source(file, data), nul, "source code cannot contain null bytes")
    try:
        text = data.decode(_declared_encoding(data, file))
        return Source(file, text.replace("\r\n", "\n").replace("\r", "\n").encode())
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        raise syntax_error(Source(file, data), start, f"(unicode error) {error}") from None
    except LookupError as error:
        raise syntax_error(Source(file, data), 0, str(error)) from None


def syntax_error(source: Source, offset: int, reason: str, hint: str = "") -> SchemaError:
    """Return an error for text that is not Python."""
    place = source.place(offset)
    message = f"failed to parse Python source: {reason} ({place.file}:{place.line}:{place.column})"
    return SchemaError(ErrorKind.PARSE, message, place, hint)


def _declared_encoding(data: bytes, file: str) -> str:
    """Return the encoding named by a comment in the first two lines (PEP 263), else UTF-8."""
    first_lines = b"".join(data[:1024].splitlines(keepends=True)[:2])
    if b"coding" not in first_lines:
        return "utf-8"
    import tokenize  # rarely needed, and slow to import

    try:
        return tokenize.detect_encoding(io.BytesIO(first_lines).readline)[0]
    except SyntaxError as error:
        raise syntax_error(Source(file, data), 0, str(error)) from None
