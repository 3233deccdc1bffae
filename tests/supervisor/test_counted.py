"""Requests over HTTP/2 are counted by route and status, whatever becomes of them."""

import pytest
from tests.supervisor.fakes import Caller

from coglet_supervisor.http.counted import NO_ROUTE, ROUTE, Counted
from coglet_supervisor.http.request import Application, Receive, Scope, Send, respond


class Bug(Exception):
    """Raised by an application."""


async def ask(app: Application) -> list[tuple[str, int]]:
    """Return what was counted of one request."""
    seen: list[tuple[str, int]] = []
    caller = Caller("GET", "/a/1")
    try:
        await Counted(app, lambda route, status: seen.append((route, status)))(
            caller.scope, caller.receive, caller.send
        )
    except Bug:
        seen.append(("raised", 0))
    return seen


async def test_a_response_is_counted_with_its_route() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE] = "/a/{id}"
        await respond(send, 201, b"x")

    assert await ask(app) == [("/a/{id}", 201)]


async def test_without_a_route_the_path_is_not_used() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, 404, b"")

    assert await ask(app) == [(NO_ROUTE, 404)]


async def test_without_a_response_nothing_is_counted() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        """Return without a response: the client has disconnected."""

    assert await ask(app) == []


@pytest.mark.parametrize("starts", [True, False])
async def test_a_bug_is_counted_once(starts: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if starts:
            await respond(send, 200, b"")
        raise Bug

    assert await ask(app) == [(NO_ROUTE, 200 if starts else 500), ("raised", 0)]
