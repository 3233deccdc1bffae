"""Decoding untrusted JSON without blocking the event loop or exhausting the stack."""

import re
from typing import Any, Final

import msgspec

MAX_DEPTH: Final = 127
MAX_NODES: Final = 1_000_000
"""Arrays, objects and members. A million take about 50 ms to decode; 10 MB of `{},` contain three million."""

# A text of at most this size cannot contain too many nodes.
_SMALL_BYTES: Final = MAX_NODES
# Enough to hold the structure around one large string.
_FEW_BYTES: Final = 4096
# Limits the time of removing strings, which is done to count the nodes outside of them.
_MAX_STRINGS_TO_REMOVE: Final = 100_000
# For texts without escapes: a pattern that allows them takes seconds for a large string.
_STRING: Final = re.compile(rb'"[^"]*"')
_any_value: Final = msgspec.json.Decoder(msgspec.Raw)
_ALL_BUT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


class NotJson(ValueError):
    """The text is not JSON, or exceeds the limits of depth and size; the message says which."""


def check_shape(text: bytes | bytearray) -> None:
    """Raise NotJson if `text` is nested too deeply, or has too many values to decode it on the event loop."""
    openings = _openings(text)
    if openings <= MAX_DEPTH and len(text) <= _SMALL_BYTES:
        return
    nodes = openings + _count(text, b",")
    if openings <= MAX_DEPTH and nodes <= MAX_NODES:
        return
    # Each array, object and comma allows at most one key and one value more.
    most_strings = 2 * nodes + 1 if nodes <= MAX_NODES else _MAX_STRINGS_TO_REMOVE
    bare = _without_strings(text, most_strings)
    if _openings(bare) + bare.count(b",") > MAX_NODES:
        raise _too_many_values()
    if _is_too_deep(bare):
        raise NotJson("recursion limit exceeded")


def decode(text: bytes | bytearray | msgspec.Raw, decoder: "msgspec.json.Decoder[Any] | None" = None) -> Any:
    """Return the value of a JSON text.

    Raises NotJson if it cannot be decoded, and msgspec.ValidationError if it does not match the type of
    `decoder`.
    """
    try:
        return decoder.decode(text) if decoder is not None else msgspec.json.decode(text)
    except msgspec.ValidationError as error:
        if decoder is not None:
            raise
        raise NotJson(str(error)) from None  # a number out of range
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotJson(str(error)) from None
    except RecursionError:
        raise NotJson("recursion limit exceeded") from None


def is_one_value(text: bytes) -> bool:
    """True if `text` is the JSON text of one value, in UTF-8. Checks it without building the value."""
    try:
        _any_value.decode(text)
        if not text.isascii():
            text.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _openings(text: bytes | bytearray) -> int:
    return _count(text, b"[") + _count(text, b"{")


def _count(text: bytes | bytearray, byte: bytes) -> int:
    """Return `text.count(byte)`.

    Most large texts are one string without it, for which `find` is far faster.
    """
    first = text.find(byte, _FEW_BYTES)
    if first < 0:
        return text.count(byte, 0, _FEW_BYTES)
    return text.count(byte, 0, _FEW_BYTES) + text.count(byte, first)


def _too_many_values() -> NotJson:
    return NotJson(f"more than {MAX_NODES} values")


def _without_strings(text: bytes | bytearray, most: int) -> bytes:
    text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    if text.count(b'"') > 2 * most:
        raise _too_many_values()
    return _STRING.sub(b"", text)


def _is_too_deep(bare: bytes) -> bool:
    """True if brackets are nested deeper than MAX_DEPTH.

    Removes the innermost ones level by level, in C code.
    """
    brackets = bare.translate(None, _ALL_BUT_BRACKETS)
    if len(brackets) != 2 * _openings(brackets):
        return False  # not JSON; the decoder reports where
    for _ in range(MAX_DEPTH):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return bool(brackets)
