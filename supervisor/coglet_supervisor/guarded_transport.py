"""The connections of outgoing HTTP, made only to addresses that the rules allow.

httpx leaves connecting to httpcore, whose network backend is the place to decide: it is given the name, and
what it connects to is what was checked.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import httpcore
import httpx

from coglet_protocol.url_guard import UrlGuard

# With fewer, httpcore closes connections as soon as that many are busy.
_MAX_IDLE_CONNECTIONS: Final = 64


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves once, checks, and connects to an address that passed."""

    def __init__(self, guard: UrlGuard) -> None:
        self._guard = guard
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
            addresses = await asyncio.to_thread(self._guard.resolve, host, port)
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


def guarded_transport(guard: UrlGuard) -> httpx.AsyncHTTPTransport:
    """httpx's own transport over a pool with our backend, which it has no parameter for.

    How many requests run at once is decided by those who send.
    """
    transport = httpx.AsyncHTTPTransport()
    transport._pool = httpcore.AsyncConnectionPool(
        ssl_context=httpx.create_ssl_context(),
        max_connections=None,
        max_keepalive_connections=_MAX_IDLE_CONNECTIONS,
        network_backend=GuardedBackend(guard),
    )
    return transport
