"""Counts requests by route and status, around an ASGI application."""

from collections.abc import Awaitable, Callable
from typing import Final

from coglet_supervisor.http.request import Application, Message, Receive, Scope, Send

# The application writes the pattern of the route that matched here, for example `/predictions/{id}`.
ROUTE: Final = "coglet.route"
# Of requests that match no route: their paths are what clients make up, and without limit.
NO_ROUTE: Final = "(none)"


class Counted:
    """Calls `count` with the route and the status when a response starts, also of a stream.

    A client that has disconnected before is not counted.
    """

    def __init__(self, app: Application, count: Callable[[str, int], None]) -> None:
        self._app = app
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        # Not a coroutine itself: that would cost each piece of a response one more.
        def counted_send(message: Message) -> Awaitable[None]:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._count(scope.get(ROUTE, NO_ROUTE), message["status"])
            return send(message)

        try:
            await self._app(scope, receive, counted_send)
        except Exception:
            if not started:  # the connection responds with 500
                self._count(scope.get(ROUTE, NO_ROUTE), 500)
            raise
