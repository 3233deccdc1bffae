"""Counting of requests, by the pattern of their route and the status of their response."""

from collections.abc import Awaitable, Callable
from typing import Final

from coglet_supervisor.http.request import Application, Message, Receive, Scope, Send

Count = Callable[[str, int], None]
"""Counts one response, by route and status."""

# The application writes the pattern of the route that matched here, for example `/predictions/{id}`.
ROUTE: Final = "coglet.route"
# Of requests that match no route: their paths are what clients make up, and without limit.
NO_ROUTE: Final = "(none)"


def route_of(scope: Scope) -> str:
    """Return the pattern of the route that matched."""
    route: str = scope.get(ROUTE, NO_ROUTE)
    return route


class Counted:
    """Calls `count` at the end of each response of an application.

    For HTTP/2 only, because a wrapped `send` costs each response of HTTP/1 more than all other counting.
    """

    def __init__(self, app: Application, count: Count) -> None:
        self._app = app
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status: int | None = None

        # Not a coroutine itself: that would cost each piece of a response one more.
        def watched_send(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            return send(message)

        try:
            await self._app(scope, receive, watched_send)
        except Exception:  # whatever it is, it is counted and raised again
            if status is None:  # the connection responds with it
                status = 500
            raise
        finally:
            if status is not None:
                self._count(route_of(scope), status)
