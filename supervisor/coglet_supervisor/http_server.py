"""Hypercorn, programmatically, on a socket that is already open."""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

from coglet_supervisor.http.app import App

# After the last prediction has ended, connections get this long to take their answers.
_CLOSE_S: Final = 2.0
# Request line and headers; enough to see, and so to refuse properly, a URI that is too long.
_MAX_HEAD_BYTES: Final = 128 * 1024


async def serve_http(app: App, listener: socket.socket, stopped: Callable[[], Awaitable[Any]]) -> None:
    """Serves `app` until `stopped()` returns, and then for as long as open answers need, but not for ever."""
    from hypercorn.app_wrappers import ASGIWrapper
    from hypercorn.asyncio.run import worker_serve
    from hypercorn.config import Config, Sockets

    config = Config()
    config.include_server_header = False
    config.accesslog = None
    config.errorlog = None
    config.graceful_timeout = _CLOSE_S
    config.keep_alive_max_requests = sys.maxsize
    config.h11_max_incomplete_size = _MAX_HEAD_BYTES
    stop = asyncio.Event()

    async def run() -> None:
        sockets = Sockets([], [listener], [])
        await worker_serve(ASGIWrapper(app), config, sockets=sockets, shutdown_trigger=stop.wait)  # type: ignore[arg-type]

    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(run())
        await stopped()
        stop.set()
        # Hypercorn's own time limit is not kept on Python 3.12 and newer.
        await asyncio.wait({serving}, timeout=_CLOSE_S + 1.0)
        serving.cancel()
