"""Check that the base64 in `data:` URLs is valid, piece by piece and without decoding it."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

_PIECE_BYTES: Final = 64 * 1024  # stays in the processor's cache
_MAX_HEADER_BYTES: Final = 4096
# Decoding percent escapes is slow; a larger URL with escapes is left to the worker, which decodes it anyway.
_MAX_ESCAPED_BYTES: Final = 256 * 1024
# Both alphabets of RFC 4648, and line breaks, which tools insert. Not a space, which is a wrongly decoded
# `+`.
_ALLOWED: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_\r\n\t"
# Comparing with zeros is faster than searching for the first foreign byte.
_TO_ZEROS: Final = bytes.maketrans(_ALLOWED, b"0" * len(_ALLOWED))
_ZEROS: Final = b"0" * _PIECE_BYTES
_header: Final = re.compile(rb"data:[^,]*;base64,", re.IGNORECASE)
_padding: Final = re.compile(rb"[=\r\n\t]*")
_MAX_PADDING_BYTES: Final = 16


def broken_data_urls(value: dict[str, Any], names: Iterable[str]) -> list[list[str]]:
    """Return the paths of invalid data URLs in the named inputs, which are files or lists of files."""
    return [path for name in names for path, text in _texts(name, value.get(name)) if _is_broken(text)]


def _texts(name: str, value: Any) -> Iterator[tuple[list[str], str | msgspec.Raw]]:
    if isinstance(value, str | msgspec.Raw):
        yield [name], value
    elif isinstance(value, list):
        yield from (([name, str(index)], item) for index, item in enumerate(value) if isinstance(item, str))


def _is_broken(text: str | msgspec.Raw) -> bool:
    if isinstance(text, str):
        return text[:5].lower() == "data:" and _is_broken_url(text.encode())
    url = memoryview(text)[1:-1]
    header = bytes(url[:_MAX_HEADER_BYTES]).partition(b",")[0]
    content = url[len(header) :]
    foreign = 1 + _first_foreign(content[1:])
    if b"\\" in header or _byte_at(content, foreign) == b"\\":  # JSON's own escapes
        return _is_broken(msgspec.json.decode(text, type=str))
    return _is_broken_url(url)


def _is_broken_url(url: bytes | memoryview) -> bool:
    header = _header.match(bytes(url[:_MAX_HEADER_BYTES]))
    if header is None:
        return False
    content = memoryview(url)[header.end() :]
    foreign = _first_foreign(content)
    if _byte_at(content, foreign) == b"%":
        if len(content) > _MAX_ESCAPED_BYTES:
            return False
        content = memoryview(unquote_to_bytes(bytes(content)))
        foreign = _first_foreign(content)
    rest = bytes(content[foreign : foreign + _MAX_PADDING_BYTES + 1])
    return len(rest) > _MAX_PADDING_BYTES or _padding.fullmatch(rest) is None


def _first_foreign(content: memoryview) -> int:
    """Return the position of the first byte (or padding) outside the base64 alphabet, else the length."""
    for start in range(0, len(content), _PIECE_BYTES):
        piece = bytes(content[start : start + _PIECE_BYTES]).translate(_TO_ZEROS)
        if piece != _ZEROS[: len(piece)]:
            return start + len(piece) - len(piece.lstrip(b"0"))
    return len(content)


def _byte_at(content: memoryview, place: int) -> bytes:
    return bytes(content[place : place + 1])
