"""The file name in a URL, and the content of a `data:` URL. No I/O."""

from __future__ import annotations

import os
from urllib.parse import unquote, unquote_plus, unquote_to_bytes, urlsplit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

# File systems allow 255 bytes; the rest is for the random part of a temporary file's name.
MAX_NAME_LENGTH: Final = 200
# Decoded in one step; a multiple of 4, so that most slices are whole base64 groups.
_SLICE_CHARACTERS: Final = 256 * 1024
# Both alphabets of RFC 4648 become the standard one.
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
# Some tools break long lines. A space is not ignored: it would be a `+` that was decoded wrongly.
_LINE_BREAKS: Final = b"\r\n\t"


def scheme_of(url: str) -> str:
    """Return the scheme of `url` in lower case, empty if there is none."""
    scheme, colon, _ = url[:16].partition(":")
    return scheme.lower() if colon else ""


def is_remote(text: str) -> bool:
    """Return True if `text` is a URL of a file to download or decode, and not a path on this machine."""
    return scheme_of(text) in ("data", "http", "https")


def get_filename(url: str) -> str:
    """Return the name for a download of `url`, at most 200 bytes; empty if the URL has none."""
    if scheme_of(url) == "data":
        return _plain_name(_name_in_data_url(url))
    return _plain_name(unquote_plus(os.path.basename(urlsplit(url).path)))


def _plain_name(name: str) -> str:
    return shorten_name(name).replace("\0", "_").replace("/", "_")


def _name_in_data_url(url: str) -> str:
    """Return the client's name of the file, if it is given as the parameter `name`, else `file`. An extension
    is added if the name has none and the media type has one."""
    from cog._media_types import UNKNOWN_TYPE, extension_of

    media_type, parameters = _split_data_header(url)
    named = [value for key, _, value in (text.partition("=") for text in parameters) if key == "name"]
    name = unquote(named[0]).strip('"').replace("\\", "/").rpartition("/")[2] if named else ""
    if os.path.splitext(name)[1] or (name and media_type == UNKNOWN_TYPE):
        return name
    return (name or "file") + extension_of(media_type)


def shorten_name(name: str) -> str:
    """Cut `name` to 200 bytes of UTF-8 as `stem~.ext`: models use the extension."""
    if len(name.encode(errors="replace")) <= MAX_NAME_LENGTH:
        return name
    stem, extension = os.path.splitext(name)
    # An "extension" that leaves no room for a stem is dropped.
    tail = f"~{extension}" if len(extension.encode(errors="replace")) < MAX_NAME_LENGTH // 2 else "~"
    room = MAX_NAME_LENGTH - len(tail.encode(errors="replace"))
    return stem.encode(errors="replace")[:room].decode(errors="ignore") + tail


def decode_data_url(url: str) -> Iterator[bytes]:
    """Yield the content of a `data:` URL piece by piece, so that a large one is not in memory twice.

    Base64 may use the standard or the URL-safe alphabet. Raises ValueError for a URL without a comma and for
    broken base64.
    """
    _, parameters = _split_data_header(url)
    pieces = _unquoted_slices(url, url.find(",") + 1)
    return _decode_base64(pieces) if parameters[-1:] == ["base64"] else pieces


def _split_data_header(url: str) -> tuple[str, list[str]]:
    """Return the media type (default `text/plain`, RFC 2397) and the parameters, names in lower case."""
    comma = url.find(",")  # not partition(), which copies the content
    if comma < 0:
        raise ValueError(f"data URL has no comma between its media type and its content: {url[:40]!r}")
    media_type, *parameters = url[:comma].partition(":")[2].split(";")
    names_and_values = [text.partition("=") for text in parameters]
    plain = ["".join((name.strip().lower(), equals, value)) for name, equals, value in names_and_values]
    return media_type.strip().lower() or "text/plain", plain


def _unquoted_slices(text: str, start: int) -> Iterator[bytes]:
    while start < len(text):
        end = start + _SLICE_CHARACTERS
        # Do not cut inside a percent escape such as `%2B`.
        percent = text.rfind("%", max(start, end - 2), end)
        if percent > start:
            end = percent
        yield unquote_to_bytes(text[start:end])
        start = end


def _decode_base64(pieces: Iterator[bytes]) -> Iterator[bytes]:
    import binascii

    rest = b""
    for piece in pieces:
        encoded = rest + piece.translate(_TO_STANDARD, _LINE_BREAKS)
        digits = encoded.rstrip(b"=")
        if wrong := digits.translate(None, _ALPHABET):  # Python's decoder would ignore it silently
            raise ValueError(f"data URL is not base64: it contains {chr(wrong[0])!r}")
        whole = len(digits) - len(digits) % 4
        rest = encoded[whole:]
        if len(rest) > 4:
            break
        yield binascii.a2b_base64(encoded[:whole])
    if rest:
        if len(rest) != 4 or len(rest.rstrip(b"=")) < 2:
            raise ValueError("data URL is not base64: incorrect padding")
        yield binascii.a2b_base64(rest)
