"""Waiting for a model server that was just started: until it answers, and until its model is set up."""

import asyncio
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from coglet_cli.errors import UserError
from coglet_cli.server.client import ModelClient
from coglet_cli.server.running import RunningServer

POLL_S: Final = 0.05


class Readiness(Enum):
    """What a health report means for somebody who waits for the model."""

    WAIT = "wait"
    READY = "ready"
    SETUP_FAILED = "setup failed"


class SetupFailed(UserError):
    """The model's setup() raised, or the model could not be loaded; its log has said why."""

    def __init__(self) -> None:
        super().__init__("Model setup failed", hint="the log above says why; fix the model and try again")


class SetupTimedOut(UserError):
    """The model's setup() takes longer than the user wants to wait."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(
            f"Timed out: model setup takes longer than {limit_s:g} s",
            hint="wait longer with --setup-timeout SECONDS",
        )


class UnexpectedHealth(UserError):
    """The server is in a state from which its model does not become ready by itself."""

    def __init__(self, status: object, reason: object) -> None:
        super().__init__(
            f"Model server healthcheck returned unexpected status: {status}"
            + (f" ({reason})" if reason else "")
        )


def judge(report: Mapping[str, Any] | None) -> Readiness:
    """What to do at a health report. Raises UnexpectedHealth."""
    report = report or {}
    match report.get("status"):
        case None | "STARTING":
            return Readiness.WAIT
        # Somebody else's prediction runs; ours waits for no setup.
        case "READY" | "BUSY":
            return Readiness.READY
        case "SETUP_FAILED":
            return Readiness.SETUP_FAILED
    raise UnexpectedHealth(report.get("status"), report.get("user_healthcheck_error"))


async def wait_listening(server: RunningServer, client: ModelClient) -> None:
    """Returns at the first health report. Raises ServerExited or PortTaken when none can come."""

    async def poll() -> None:
        while await client.health() is None:  # noqa: ASYNC110 - a server tells nobody that it listens
            await asyncio.sleep(POLL_S)

    await server.while_starting(poll())


async def wait_set_up(server: RunningServer, client: ModelClient) -> None:
    """Returns when the model takes predictions. Raises UserError when it never will."""

    async def poll() -> None:
        while (readiness := judge(report := await client.health())) is Readiness.WAIT:  # noqa: ASYNC110 - as above
            await asyncio.sleep(POLL_S)
        await server.wait_setup_shown(report or {})
        if readiness is Readiness.SETUP_FAILED:
            raise SetupFailed()

    await server.while_starting(poll())


async def wait_set_up_within(limit_s: float, server: RunningServer, client: ModelClient) -> None:
    """Like `wait_set_up`. Raises SetupTimedOut after `limit_s` seconds."""
    try:
        async with asyncio.timeout(limit_s):
            await wait_set_up(server, client)
    except TimeoutError:
        raise SetupTimedOut(limit_s) from None
