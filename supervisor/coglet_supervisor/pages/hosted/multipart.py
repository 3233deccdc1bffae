"""Decoding of `multipart/form-data` (RFC 7578) from pieces of any size, without I/O.

The decoder of Werkzeug 3.1.9 adds a carriage return to the content if a piece ends inside of the last line
break.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from werkzeug.http import parse_options_header

_MAX_HEAD_BYTES: Final = 16 * 1024


@dataclass(frozen=True)
class Part:
    """The beginning of a part; its content follows."""

    name: str
    filename: str | None
    content_type: str | None


class NotMultipart(ValueError):
    """The body is not such a form; the text says why."""


class MultipartDecoder:
    """Turns the pieces of a body into parts and pieces of their content."""

    def __init__(self, boundary: bytes) -> None:
        self._delimiter: Final = b"\r\n--" + boundary
        self._buffer = bytearray(b"\r\n")  # the first delimiter may be at the very beginning
        self._state: Literal["preamble", "delimiter", "head", "content", "epilogue"] = "preamble"

    @property
    def is_complete(self) -> bool:
        """True once the end of the form has arrived."""
        return self._state == "epilogue"

    def feed(self, piece: bytes) -> Iterator[Part | bytes]:
        """Yield what is complete with this piece. Raises NotMultipart."""
        self._buffer += piece
        is_moving = True
        while is_moving:
            match self._state:
                case "preamble" | "content":
                    before = self._state
                    content, is_moving = self._until_delimiter()
                    if content and before == "content":
                        yield content
                case "delimiter":
                    is_moving = self._end_delimiter()
                case "head":
                    part = self._head()
                    is_moving = part is not None
                    if part is not None:
                        yield part
                case "epilogue":
                    self._buffer.clear()
                    is_moving = False

    def _until_delimiter(self) -> tuple[bytes, bool]:
        """Return what precedes the next delimiter, or can be no part of it, and whether there is one."""
        index = self._buffer.find(self._delimiter)
        is_found = index >= 0
        if is_found:
            self._state = "delimiter"
        else:
            index = max(len(self._buffer) - len(self._delimiter) + 1, 0)
        content = bytes(self._buffer[:index])
        del self._buffer[: index + len(self._delimiter) if is_found else index]
        return content, is_found

    def _end_delimiter(self) -> bool:
        """Handle what follows the boundary: two dashes at the end, else a line break."""
        if self._buffer.startswith(b"--"):
            self._state = "epilogue"
            return True
        # Only so far: what follows may be large.
        end = self._buffer.find(b"\r\n", 0, _MAX_HEAD_BYTES)
        line = bytes(self._buffer[: end if end >= 0 else _MAX_HEAD_BYTES])
        if line.strip(b" \t\r") not in ((b"",) if end >= 0 else (b"", b"-")):
            raise NotMultipart("the boundary is inside of a line")
        if end < 0:
            self._check_head()
            return False
        del self._buffer[:end]  # the line break also precedes the first header
        self._state = "head"
        return True

    def _head(self) -> Part | None:
        index = self._buffer.find(b"\r\n\r\n")
        if index < 0:
            self._check_head()
            return None
        lines = self._buffer[:index].decode("utf-8", "replace").split("\r\n")
        del self._buffer[: index + 4]
        self._state = "content"
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
        }
        kind, options = parse_options_header(headers.get("content-disposition"))
        if kind != "form-data" or "name" not in options:
            raise NotMultipart("a part has no name")
        return Part(options["name"], options.get("filename"), headers.get("content-type"))

    def _check_head(self) -> None:
        if len(self._buffer) > _MAX_HEAD_BYTES:
            raise NotMultipart(f"the head of a part is larger than {_MAX_HEAD_BYTES} bytes")
