"""What a URL says about a file: its name, and the bytes inside a `data:` URL. No I/O."""

from __future__ import annotations

import os
from urllib.parse import unquote_plus, unquote_to_bytes, urlsplit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

# File systems allow 255 bytes; the rest is for the random part of a temporary file's name.
MAX_NAME_LENGTH: Final = 200
# Decoded at a time; a multiple of 4, so that most slices are whole base64 groups.
_SLICE_CHARACTERS: Final = 256 * 1024
_NOT_BASE64: Final = bytes(
    set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
)


def scheme_of(url: str) -> str:
    """The scheme of `url` in lower case, empty when there is none."""
    scheme, colon, _ = url[:16].partition(":")
    return scheme.lower() if colon else ""


def is_remote(text: str) -> bool:
    """True for what names a file that comes from elsewhere, and not one of this machine."""
    return scheme_of(text) in ("data", "http", "https")


def get_filename(url: str) -> str:
    """The name a download of `url` is given, at most 200 bytes; empty when the URL has none."""
    if scheme_of(url) == "data":
        import mimetypes

        media_type, _ = _split_data_header(url)
        return "file" + (mimetypes.guess_extension(media_type) or "")
    name = unquote_plus(os.path.basename(urlsplit(url).path))
    return shorten_name(name).replace("\0", "_").replace("/", "_")


def shorten_name(name: str) -> str:
    """Cuts `name` to 200 bytes of UTF-8 as `stem~.ext`: models look at the extension."""
    if len(name.encode(errors="replace")) <= MAX_NAME_LENGTH:
        return name
    stem, extension = os.path.splitext(name)
    # An "extension" that leaves no room is no extension.
    tail = f"~{extension}" if len(extension.encode(errors="replace")) < MAX_NAME_LENGTH // 2 else "~"
    room = MAX_NAME_LENGTH - len(tail.encode(errors="replace"))
    return stem.encode(errors="replace")[:room].decode(errors="ignore") + tail


def decode_data_url(url: str) -> Iterator[bytes]:
    """Yields the content of a `data:` URL piece by piece, so that a large one is not in memory twice.

    Raises ValueError for a URL without a comma and for broken base64.
    """
    _, is_base64 = _split_data_header(url)
    pieces = _unquoted_slices(url, url.find(",") + 1)
    return _decode_base64(pieces) if is_base64 else pieces


def _split_data_header(url: str) -> tuple[str, bool]:
    """Media type (default `text/plain`, RFC 2397) and whether the content is base64."""
    comma = url.find(",")  # not partition(), which copies the content
    if comma < 0:
        raise ValueError(f"data URL has no comma between its media type and its content: {url[:40]!r}")
    media_type, *parameters = url[:comma].partition(":")[2].split(";")
    return media_type.strip().lower() or "text/plain", bool(parameters) and parameters[-1].lower() == "base64"


def _unquoted_slices(text: str, start: int) -> Iterator[bytes]:
    while start < len(text):
        end = start + _SLICE_CHARACTERS
        # Not inside a percent escape: `%2B` has to arrive whole.
        percent = text.rfind("%", max(start, end - 2), end)
        if percent > start:
            end = percent
        yield unquote_to_bytes(text[start:end])
        start = end


def _decode_base64(pieces: Iterator[bytes]) -> Iterator[bytes]:
    import binascii

    rest = b""
    for piece in pieces:
        encoded = rest + piece.translate(None, _NOT_BASE64)
        whole = len(encoded) - len(encoded) % 4
        rest = encoded[whole:]
        yield binascii.a2b_base64(encoded[:whole])
    if rest:
        yield binascii.a2b_base64(rest)  # raises: a group is cut short
