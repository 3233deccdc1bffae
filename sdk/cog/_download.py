"""One streamed GET: redirects, gzip, limits, and error texts like those of `requests`.

Imported at the first download, since the HTTP modules of the standard library take 30 ms to import.
"""

from __future__ import annotations

import base64
import os
import re
import time
import zlib
from contextlib import contextmanager
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPRedirectHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from cog import _connection
from cog._connection import BoundedHTTPHandler, BoundedHTTPSHandler, seconds_left
from cog._observation import observed
from cog.errors import DownloadError
from coglet import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from http.client import HTTPResponse

_CHUNK_BYTES: Final = 256 * 1024
# The data after a gzip member is copied, so many empty members in one piece would take quadratic time.
_INFLATE_BYTES: Final = 8 * 1024
_MAX_BYTES: Final = 10 * 1024**3
_MAX_S: Final = 3600.0
# Allowed unescaped in a request line, and "%", since most URLs arrive escaped.
_URL_CHARACTERS: Final = "!#$%&'()*+,/:;=?@[]~"


class _Redirects(HTTPRedirectHandler):
    """Follows 308 too, which Python 3.10 does not."""

    http_error_308 = HTTPRedirectHandler.http_error_302

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:  # noqa: PLR0913 - the signature of the base class
        return super().redirect_request(req, fp, 307 if code == 308 else code, msg, headers, newurl)


def download(url: str) -> Iterator[bytes]:
    """Yield the decoded body of `url` as it arrives; the request is made when the first piece is requested.

    Raises DownloadError for a status other than 2xx, a timeout, a connection that fails or ends too early,
    and a body that is larger or takes longer than COG_MAX_DOWNLOAD_BYTES and COG_DOWNLOAD_TIMEOUT allow.
    """
    ends = time.monotonic() + _limit("COG_DOWNLOAD_TIMEOUT", _MAX_S)
    with _download_errors(url), observed(url) as observation:
        request = _request(url, observation.headers)
        with _opener(ends).open(request, timeout=_connection.TIMEOUT_S) as response:
            chunks = _body(response)
            if response.headers.get("Content-Encoding", "").strip().lower() in ("gzip", "x-gzip", "deflate"):
                chunks = _inflate(chunks)
            for chunk in _limited(chunks, response.length or 0, ends):
                observation.received(len(chunk))
                yield chunk


def _limited(chunks: Iterator[bytes], announced_bytes: int, ends: float) -> Iterator[bytes]:
    """Yield the chunks. Raises ValueError if the decoded bytes or the time exceed their limits."""
    limit_bytes = _limit("COG_MAX_DOWNLOAD_BYTES", _MAX_BYTES)
    too_large = f"larger than {limit_bytes:.0f} bytes (COG_MAX_DOWNLOAD_BYTES)"
    if announced_bytes > limit_bytes:
        raise ValueError(too_large)
    size_bytes = 0
    for chunk in chunks:
        size_bytes += len(chunk)
        if size_bytes > limit_bytes:
            raise ValueError(too_large)
        seconds_left(ends)  # decompression takes time, too
        yield chunk


def _limit(name: str, default: float) -> float:
    """Return a limit from the environment: the default if it is not a number, no limit if it is 0."""
    try:
        value = float(os.environ.get(name) or default)
    except ValueError:
        return default
    return value if value > 0 else float("inf")


def _opener(ends: float) -> OpenerDirector:
    """Return an opener for HTTP and HTTPS only: a redirect must not lead to `file:` or `ftp:`."""
    opener = OpenerDirector()
    for handler in (
        ProxyHandler(),
        UnknownHandler(),
        BoundedHTTPHandler(ends),
        BoundedHTTPSHandler(ends),
        HTTPDefaultErrorHandler(),
        _Redirects(),
        HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _request(url: str, more_headers: Mapping[str, str]) -> Request:
    parts = urlsplit(url)
    if not parts.hostname:
        raise DownloadError(f"Invalid URL {url!r}: No host supplied")
    host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode()
    netloc = f"[{host}]" if ":" in host else host
    if parts.port is not None:
        netloc += f":{parts.port}"
    path, query = (quote(part, safe=_URL_CHARACTERS) for part in (parts.path, parts.query))
    headers = {
        "User-Agent": os.environ.get("COG_USER_AGENT") or f"pycoglet/{__version__}",
        "Accept": "*/*",
        "Accept-Encoding": "gzip",
        **more_headers,
    }
    request = Request(urlunsplit((parts.scheme.lower(), netloc, path or "/", query, "")), headers=headers)
    if parts.username is not None:
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        # Not sent on after a redirect: the credentials are for this host only.
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(credentials).decode()}")
    return request


def _body(response: HTTPResponse) -> Iterator[bytes]:
    while chunk := response.read1(_CHUNK_BYTES):
        yield chunk
    # http.client reports a truncated body only if it is chunked; a file must not be truncated silently.
    if response.length:
        raise EOFError(f"connection closed with {response.length} bytes left to read")


def _inflate(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Decode gzip, of any number of members, and zlib. The output per piece is bounded."""
    decoder = None
    for piece in _pieces(chunks, _INFLATE_BYTES):
        encoded = piece
        while encoded:
            if decoder is None or decoder.eof:
                decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
            yield decoder.decompress(encoded, _CHUNK_BYTES)
            encoded = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
    if decoder is not None and not decoder.eof:
        yield decoder.flush()
        if not decoder.eof:
            raise EOFError("compressed content is cut short")


def _pieces(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), size):
            yield chunk[start : start + size]


@contextmanager
def _download_errors(url: str) -> Iterator[None]:
    url = re.sub(r"//[^/]*@", "//", url, count=1)  # errors are shown to clients, credentials are not
    try:
        yield
    except HTTPError as error:
        side = "Client" if error.code < 500 else "Server"
        with error:
            raise DownloadError(f"{error.code} {side} Error: {error.reason} for url: {error.url}") from None
    except URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise DownloadError(
                f"{url}: Connection timed out. (connect timeout={_connection.TIMEOUT_S})"
            ) from error
        raise DownloadError(f"{url}: {error.reason}") from error
    except TimeoutError as error:
        raise DownloadError(f"{url}: Read timed out. (read timeout={_connection.TIMEOUT_S})") from error
    except DownloadError:
        raise
    except (OSError, EOFError, HTTPException, ValueError, zlib.error) as error:
        raise DownloadError(f"{url}: {error}") from error
