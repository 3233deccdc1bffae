"""The HTTP requests that the supervisor makes itself, for webhooks and uploads.

The client is imported and built when first needed, in a thread: that takes longer than many predictions.
Redirects are followed here, because what may be repeated, and with which headers, is not as in a browser.
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
"""How much of a large body is in memory on its way out."""

# A connection can be used again only when its response was read; more than this is not worth it.
_MAX_DRAINED_BYTES: Final = 64 * 1024
_MAX_DRAIN_S: Final = 1.0

_MAX_URL_CHARS: Final = 65_536
_MAX_HOST_CHARS: Final = 253
_HOST_LABELS: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")

_NO_RULES: Final = UrlGuard()

Pieces = Callable[[], AsyncIterator[bytes]]


class UnusableUrl(Exception):
    """Not a URL to which a request can be sent. The text does not repeat it: URLs hold secrets."""


class SendFailed(Exception):
    """There is no usable answer; the text says why."""


class TimedOut(SendFailed):
    """No answer in time."""


class NeverSendable(SendFailed):
    """Trying again would fail in the same way."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """A request. `headers` are all that is sent, but for Host and what frames the body.

    `body` is a function when it does not fit in memory; it is called for each attempt, and `headers` has a
    Content-Length then. `repeat_on` are the redirects on which the same request goes to the other place.
    `idle_limit_s` bounds the time without progress.
    """

    method: str
    url: str
    headers: Mapping[bytes, bytes]
    body: bytes | Pieces = b""
    repeat_on: Collection[int] = (307, 308)
    idle_limit_s: float | None = None


@dataclass(frozen=True)
class Answer:
    """What came back from `url`, the last of the redirects. `location` is absolute."""

    status: int
    url: str
    location: str | None = None


class Outgoing:
    """Sends messages. One for the whole server, so that connections are used again."""

    def __init__(self, guard: UrlGuard = _NO_RULES) -> None:
        self._guard = guard
        self._client: httpx.AsyncClient | None = None
        self._building = asyncio.Lock()

    async def prepare(self) -> None:
        """Does now what the first message would have to wait for."""
        with contextlib.suppress(SendFailed):  # the first message will tell
            await self._ready_client()

    async def send(self, message: Message, *, limit_s: float) -> Answer:
        """The answer, whatever its status, within `limit_s` seconds. Raises SendFailed."""
        client = await self._ready_client()
        try:
            async with asyncio.timeout(limit_s):
                response, url = await _follow(client, message)
        except TimeoutError:
            raise TimedOut(f"no answer within {limit_s:g} s") from None
        await _drain(response)
        return Answer(response.status_code, url, _location(url, response))

    async def close(self) -> None:
        """Closes the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _ready_client(self) -> httpx.AsyncClient:
        if self._client is None:
            async with self._building:
                if self._client is None:
                    self._client = await asyncio.to_thread(_build_client, self._guard)
        return self._client


def check_url(text: str) -> None:
    """Accepts what a request can be sent to, without looking the host up. Raises UnusableUrl."""
    if len(text) > _MAX_URL_CHARS:
        raise UnusableUrl(f"the URL has {len(text)} characters, at most {_MAX_URL_CHARS} are allowed")
    if re.search(r"[\x00-\x20\x7f]", text):
        raise UnusableUrl("the URL contains a blank or a control character")
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
    # urlsplit has looked into brackets; what is not ASCII is for the resolver to judge.
    is_name = host.isascii() and ":" not in host
    if is_name and (len(host) > _MAX_HOST_CHARS or not _HOST_LABELS.fullmatch(host)):
        raise UnusableUrl("the URL has a host that is no valid name")


def origin_of(url: str) -> str:
    """Scheme, host and port: what a log may say of a URL, whose other parts may be secret."""
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
            # Cookies of a receiver would be kept for ever.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=None,
        )
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
        # What the environment says of proxies and certificates.
        raise NeverSendable(f"the HTTP client cannot be set up: {_reason(error)}") from error


async def _follow(client: httpx.AsyncClient, message: Message) -> tuple[httpx.Response, str]:
    """The last response, its body unread, and its URL."""
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
        # The credentials were meant for the first one alone.
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
    # In one piece it would be copied as a whole on its way to the socket.
    for start in range(0, len(body), PIECE_BYTES):
        yield body[start : start + PIECE_BYTES]


async def _drain(response: httpx.Response) -> None:
    """Reads the rest, so that the connection can be used again. The status stands, whatever happens here.

    A cancel does not interrupt it: httpcore would forget a connection that it has half closed.
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
    except ValueError:  # a bracket that is no IPv6 address
        return None


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
