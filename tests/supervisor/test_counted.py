"""Requests over HTTP/2 are counted by route and status, whatever becomes of them."""

from collections import defaultdict

import pytest
from tests.supervisor.fakes import Caller

from coglet_supervisor.http.counted import NO_ROUTE, ROUTE, Counted, ResponseCounts
from coglet_supervisor.http.request import Application, Receive, Scope, Send, respond


class Bug(Exception):
    """Raised by an application."""


async def ask(app: Application) -> dict[tuple[str, int], int]:
    """Return what was counted of one request, and whether it raised Bug."""
    counts: ResponseCounts = defaultdict(int)
    caller = Caller("GET", "/a/1")
    try:
        await Counted(app, counts)(caller.scope, caller.receive, caller.send)
    except Bug:
        counts["raised", 0] += 1
    return counts


async def test_a_response_is_counted_with_its_route() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE] = "/a/{id}"
        await respond(send, 201, b"x")

    assert await ask(app) == {("/a/{id}", 201): 1}


async def test_without_a_route_the_path_is_not_used() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, 404, b"")

    assert await ask(app) == {(NO_ROUTE, 404): 1}


async def test_without_a_response_nothing_is_counted() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        """Return without a response: the client has disconnected."""

    assert await ask(app) == {}


@pytest.mark.parametrize("starts", [True, False])
async def test_a_bug_is_counted_once(starts: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if starts:
            await respond(send, 200, b"")
        raise Bug

    assert await ask(app) == {(NO_ROUTE, 200 if starts else 500): 1, ("raised", 0): 1}
