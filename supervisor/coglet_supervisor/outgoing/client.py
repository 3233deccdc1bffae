"""The HTTP client of the supervisor, for webhooks and uploads.

The underlying client is imported and built when first needed, in a thread, because that takes longer than
many predictions. Redirects are followed here and not by httpx, because which requests may be repeated, and
with which headers, differs from a browser.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from coglet_protocol.url_guard import AddressRefused, UrlGuard

if TYPE_CHECKING:
    import httpx

MAX_REDIRECTS: Final = 5
PIECE_BYTES: Final = 256 * 1024
"""How much of a large body is in memory while it is sent."""

# A connection can be reused only when its response was read; beyond these limits it is closed instead.
_MAX_DRAINED_BYTES: Final = 64 * 1024
_MAX_DRAIN_S: Final = 1.0

_MAX_URL_CHARS: Final = 65_536
_MAX_HOST_CHARS: Final = 253
_HOST_LABELS: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")

_NO_RULES: Final = UrlGuard()

Pieces = Callable[[], AsyncIterator[bytes]]


class UnusableUrl(Exception):
    """Not a URL to which a request can be sent. The text does not quote the URL, which may hold secrets."""


class SendFailed(Exception):
    """No usable response was received; the text says why."""


class TimedOut(SendFailed):
    """No response within the time limit."""


class NeverSendable(SendFailed):
    """The request cannot be sent, and a retry would fail in the same way."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """A request. `headers` are complete except for Host and the fields that frame the body.

    `body` is a function if it does not fit in memory: the function is called for each attempt, and `headers`
    must contain Content-Length. `repeat_on` are the redirect statuses on which the same request is sent to
    the new location. `idle_limit_s` limits the time without progress.
    """

    method: str
    url: str
    headers: Mapping[bytes, bytes]
    body: bytes | Pieces = b""
    repeat_on: Collection[int] = (307, 308)
    idle_limit_s: float | None = None


@dataclass(frozen=True)
class Answer:
    """The response of `url`, the last URL of the redirects. `location` is absolute."""

    status: int
    url: str
    location: str | None = None


class Outgoing:
    """Sends messages. One for the whole server, so that connections are reused."""

    def __init__(self, guard: UrlGuard = _NO_RULES) -> None:
        self._guard = guard
        self._client: httpx.AsyncClient | None = None
        self._building = asyncio.Lock()

    async def prepare(self) -> None:
        """Build the client now, so that the first message does not wait for it."""
        with contextlib.suppress(SendFailed):  # the first message will fail in the same way
            await self._ready_client()

    async def send(self, message: Message, *, limit_s: float) -> Answer:
        """Send a message and return the response, whatever its status.

        Raises SendFailed if there is no response, TimedOut if there is none within `limit_s` seconds, and
        NeverSendable if a retry would fail in the same way.
        """
        client = await self._ready_client()
        try:
            async with asyncio.timeout(limit_s):
                response, url = await _follow(client, message)
        except TimeoutError:
            raise TimedOut(f"no answer within {limit_s:g} s") from None
        await _drain(response)
        return Answer(response.status_code, url, _location(url, response))

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _ready_client(self) -> httpx.AsyncClient:
        if self._client is None:
            async with self._building:
                if self._client is None:
                    self._client = await asyncio.to_thread(_build_client, self._guard)
        return self._client


def check_url(text: str) -> None:
    """Check that a request can be sent to the URL `text`, without resolving the host.

    Raises UnusableUrl if not.
    """
    if len(text) > _MAX_URL_CHARS:
        raise UnusableUrl(f"the URL has {len(text)} characters, at most {_MAX_URL_CHARS} are allowed")
    if re.search(r"[\x00-\x20\x7f]", text):
        raise UnusableUrl("the URL contains whitespace or a control character")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UnusableUrl(f"the URL cannot be parsed: {error}") from None
    if parts.scheme not in ("http", "https"):
        raise UnusableUrl("the URL does not begin with http:// or https://")
    if not host:
        raise UnusableUrl("the URL has no host")
    if port == 0:
        raise UnusableUrl("the URL has port 0")
    # urlsplit has checked IPv6 addresses in brackets; names that are not ASCII are left to the resolver.
    is_name = host.isascii() and ":" not in host
    if is_name and (len(host) > _MAX_HOST_CHARS or not _HOST_LABELS.fullmatch(host)):
        raise UnusableUrl("the URL has an invalid host name")


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL, for logs: its other parts may be secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _build_client(guard: UrlGuard) -> httpx.AsyncClient:
    from http.cookiejar import CookieJar, DefaultCookiePolicy
    from urllib.request import getproxies

    import httpx

    from coglet_supervisor.outgoing.guarded_transport import GuardedTransport

    try:
        return httpx.AsyncClient(
            transport=GuardedTransport(guard, getproxies()),
            # Accept no cookies: those of a receiver would be stored without limit.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=None,
        )
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
        # An error in the proxy or certificate settings of the environment.
        raise NeverSendable(f"the HTTP client cannot be set up: {_reason(error)}") from error


async def _follow(client: httpx.AsyncClient, message: Message) -> tuple[httpx.Response, str]:
    """Follow redirects. Return the last response, with its body unread, and its URL."""
    for _ in range(MAX_REDIRECTS + 1):
        response = await _exchange(client, message)
        location = _location(message.url, response)
        if response.status_code not in message.repeat_on or location is None:
            return response, message.url
        await _drain(response)
        message = _redirected(message, location)
    raise SendFailed(f"more than {MAX_REDIRECTS} redirects")


def _redirected(message: Message, location: str) -> Message:
    try:
        check_url(location)
    except UnusableUrl as error:
        raise SendFailed(f"redirected, but {error}") from None
    headers = message.headers
    if origin_of(location) != origin_of(message.url):
        # The credentials are for the first origin only.
        headers = {name: value for name, value in headers.items() if name != b"authorization"}
    return replace(message, url=location, headers=headers)


async def _exchange(client: httpx.AsyncClient, message: Message) -> httpx.Response:
    import httpx

    try:
        request = httpx.Request(
            message.method,
            message.url,
            headers=_framed_headers(message),
            content=_content(message.body),
            extensions={"timeout": httpx.Timeout(message.idle_limit_s).as_dict()},
        )
        return await client.send(request, stream=True)
    except AddressRefused as error:
        raise NeverSendable(str(error)) from error
    except httpx.TimeoutException:
        raise TimedOut(f"no progress within {message.idle_limit_s} s") from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
        raise NeverSendable(f"the URL cannot be used: {_reason(error)}") from error
    except httpx.HTTPError as error:
        raise SendFailed(_reason(error)) from error


def _framed_headers(message: Message) -> dict[bytes, bytes]:
    if isinstance(message.body, bytes) and message.body:
        return {**message.headers, b"content-length": b"%d" % len(message.body)}
    return dict(message.headers)


def _content(body: bytes | Pieces) -> bytes | AsyncIterator[bytes]:
    if not isinstance(body, bytes):
        return body()
    return body if len(body) <= PIECE_BYTES else _pieces_of(body)


async def _pieces_of(body: bytes) -> AsyncIterator[bytes]:
    # In one piece it would be copied as a whole when it is sent.
    for start in range(0, len(body), PIECE_BYTES):
        yield body[start : start + PIECE_BYTES]


async def _drain(response: httpx.Response) -> None:
    """Read the rest of the response, so that the connection can be reused. Errors are ignored.

    Shielded from cancelation: httpcore would leak a connection that it has half closed.
    """
    await asyncio.shield(_read_rest(response))


async def _read_rest(response: httpx.Response) -> None:
    import httpx

    drained = 0
    with contextlib.suppress(httpx.HTTPError, TimeoutError):
        async with asyncio.timeout(_MAX_DRAIN_S):
            async for piece in response.aiter_raw():
                drained += len(piece)
                if drained > _MAX_DRAINED_BYTES:
                    break
    await response.aclose()


def _location(url: str, response: httpx.Response) -> str | None:
    location: str | None = response.headers.get("location")
    if not location:
        return None
    try:
        return urljoin(url, location)
    except ValueError:  # brackets around what is not an IPv6 address
        return None


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
