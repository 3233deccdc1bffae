"""Counting of requests, by the pattern of their route and the status of their response."""

from collections import defaultdict
from collections.abc import Awaitable
from typing import Final

from coglet_supervisor.http.request import Application, Message, Receive, Scope, Send

ResponseCounts = defaultdict[tuple[str, int], int]
"""How many there were, by route and status. Not behind a function, whose call takes longer than counting."""

# The application writes the pattern of the route that matched here, for example `/predictions/{id}`.
ROUTE: Final = "coglet.route"
# Of requests that match no route: their paths are what clients make up, and without limit.
NO_ROUTE: Final = "(none)"


def route_of(scope: Scope) -> str:
    """Return the pattern of the route that matched."""
    route: str = scope.get(ROUTE, NO_ROUTE)
    return route


class Counted:
    """Counts the responses of an application, each at its end.

    For HTTP/2 only, because a wrapped `send` costs each response of HTTP/1 more than all other counting.
    """

    def __init__(self, app: Application, counts: ResponseCounts) -> None:
        self._app = app
        self._counts = counts

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
                self._counts[route_of(scope), status] += 1
