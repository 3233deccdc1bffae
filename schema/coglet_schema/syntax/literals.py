"""The value of one string or number token."""

import re
import unicodedata
from typing import Final

_STRING: Final = re.compile(r"""(?P<prefix>[A-Za-z]*)(?P<quote>'''|\"""|'|")""")
_ESCAPE: Final = re.compile(
    r"\\(?:(?P<simple>[\n\\'\"abfnrtv])|(?P<octal>[0-7]{1,3})|x(?P<x>[0-9a-fA-F]{2})"
    r"|u(?P<u>[0-9a-fA-F]{4})|U(?P<U>[0-9a-fA-F]{8})|N\{(?P<name>[^}]*)\}|(?P<malformed>[xuUN]))"
)
_SIMPLE: Final = {"\n": "", "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def read_string(token: str) -> str | None:
    """Return the string's value; None if it has a prefix other than `r`.

    Raises ValueError for a malformed escape.
    """
    match = _STRING.match(token)
    if match is None or match["prefix"].lower() not in ("", "r"):
        return None
    return decode_text(token[match.end() : -len(match["quote"])], raw=bool(match["prefix"]))


def template_prefix(start: str) -> str | None:
    """Return the prefix of an f-string in lower case, from its start up to the quotes; None for others."""
    prefix = start.rstrip("\"'").lower()
    return prefix if prefix in ("f", "fr", "rf") else None


def decode_text(content: str, *, raw: bool) -> str:
    """Return the text between the quotes with its escapes decoded. Raises ValueError for a malformed one."""
    return content if raw or "\\" not in content else _ESCAPE.sub(_unescape, content)


def read_number(token: str) -> int | float | None:
    """Return the number's value; None for a complex one. Raises ValueError if Python rejects it."""
    lowered = token.lower()
    if lowered.endswith("j"):
        return None
    is_integer = lowered.startswith(("0x", "0o", "0b")) or lowered.replace("_", "").isdigit()
    try:
        return int(lowered, 0) if is_integer else float(lowered)
    except ValueError:
        raise ValueError(f"invalid number `{token[:40]}`") from None


def _unescape(match: re.Match[str]) -> str:
    kind = match.lastgroup
    text = match[kind] if kind else ""
    match kind:
        case "simple":
            return _SIMPLE.get(text, text)
        case "octal":
            return chr(int(text, 8))
        case "x" | "u" | "U" if (code := int(text, 16)) <= 0x10FFFF:
            return chr(code)
        case "name" if text:
            return _named_character(text)
    raise ValueError(f"malformed escape sequence `{match[0]}` in a string")


def _named_character(name: str) -> str:
    try:
        return unicodedata.lookup(name)
    except KeyError:
        raise ValueError(f"unknown Unicode character name `{name}`") from None
