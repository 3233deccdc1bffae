"""The connections of outgoing HTTP: to addresses that the URL guard allows, or to the operator's proxies.

httpx leaves connecting to httpcore, whose network backend is the right place for the check: it receives the
name, resolves it once, and connects to exactly the address that was checked. Behind a proxy the address is
unknown here, so only literal addresses are checked.
"""

import ssl
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import httpcore
import httpx

from coglet_protocol.url_guard import AddressRefused, UrlGuard
from coglet_supervisor.outgoing.name_lookup import NameLookup

# With a lower limit, httpcore closes connections as soon as that many are busy.
_MAX_IDLE_CONNECTIONS: Final = 64


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves a host once, checks its addresses, and connects to one that is allowed."""

    def __init__(self, guard: UrlGuard) -> None:
        self._lookup = NameLookup(guard.resolve)
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature of the base class
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            addresses = await self._lookup.find(host, port)
        except AddressRefused:
            raise  # not as a ConnectError, which would be retried
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        failure: httpcore.ConnectError | None = None
        for address in addresses:
            try:
                return await self._backend.connect_tcp(
                    address, port, timeout=timeout, local_address=local_address, socket_options=socket_options
                )
            except httpcore.ConnectError as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


class _Connection(httpcore.AsyncHTTPConnection):
    """A connection that is closed if its first request is canceled just before it is sent.

    httpcore 1.0 keeps such a connection open, reserved for a request that never comes.
    """

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        try:
            return await super().handle_async_request(request)
        except httpcore.ConnectionNotAvailable:
            raise  # it serves another request
        except BaseException:  # above all CancelledError
            if not self.is_idle() and not self.is_closed():
                await self.aclose()
            raise


class _Pool(httpcore.AsyncConnectionPool):
    def create_connection(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        return _Connection(origin, ssl_context=self._ssl_context, network_backend=self._network_backend)


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends directly, or through the proxy that `proxies` names for the scheme, as urllib does for inputs.

    `proxies` is the result of `urllib.request.getproxies`; its entry `no` lists the hosts that are reached
    directly. Sending raises AddressRefused if the address is not allowed.
    """

    def __init__(self, guard: UrlGuard, proxies: Mapping[str, str]) -> None:
        self._guard = guard
        self._proxies = proxies
        context = httpx.create_ssl_context()
        self._direct = _direct_transport(guard, context)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=_MAX_IDLE_CONNECTIONS)
        self._through = {
            scheme: httpx.AsyncHTTPTransport(verify=context, proxy=_as_url(proxies[scheme]), limits=limits)
            for scheme in ("http", "https")
            if scheme in proxies
        }

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        through = self._through.get(url.scheme)
        if through is None or proxy_bypass_environment(url.netloc.decode("ascii"), self._proxies):
            return await self._direct.handle_async_request(request)
        self._guard.check_literal(url.host, url.port or 0)
        return await through.handle_async_request(request)

    async def aclose(self) -> None:
        for transport in (self._direct, *self._through.values()):
            await transport.aclose()


def _as_url(proxy: str) -> str:
    return proxy if "://" in proxy else f"http://{proxy}"


def _direct_transport(guard: UrlGuard, context: ssl.SSLContext) -> httpx.AsyncHTTPTransport:
    """Return httpx's transport over a pool with our backend, for which httpx has no parameter.

    The number of concurrent requests is not limited here but by the callers.
    """
    transport = httpx.AsyncHTTPTransport(verify=context)
    transport._pool = _Pool(
        ssl_context=context,
        max_connections=None,
        max_keepalive_connections=_MAX_IDLE_CONNECTIONS,
        network_backend=GuardedBackend(guard),
    )
    return transport
