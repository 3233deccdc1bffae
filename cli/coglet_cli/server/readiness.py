"""Waiting for a newly started model server: until it responds, and until its model is set up."""

import asyncio
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from coglet_cli.errors import UserError
from coglet_cli.server.client import ModelClient
from coglet_cli.server.running import RunningServer

POLL_S: Final = 0.05


class Readiness(Enum):
    """What a health report means for a command that waits for the model."""

    WAIT = "wait"
    READY = "ready"
    SETUP_FAILED = "setup failed"


class SetupFailed(UserError):
    """The model's setup() raised, or the model could not be loaded; its log says why."""

    def __init__(self) -> None:
        super().__init__("Model setup failed", hint="the log above says why; fix the model and try again")


class SetupTimedOut(UserError):
    """The model's setup() exceeded the time limit."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(
            f"Timed out: model setup takes longer than {limit_s:g} s",
            hint="raise the limit with --setup-timeout SECONDS",
        )


class UnexpectedHealth(UserError):
    """The server is in a state from which its model will not become ready."""

    def __init__(self, status: object, reason: object) -> None:
        super().__init__(
            f"Model server healthcheck returned unexpected status: {status}"
            + (f" ({reason})" if reason else "")
        )


def judge(report: Mapping[str, Any] | None) -> Readiness:
    """Return what a health report means. Raises UnexpectedHealth if the model will not become ready."""
    report = report or {}
    match report.get("status"):
        case None | "STARTING":
            return Readiness.WAIT
        # BUSY: another client's prediction is running, so the setup is complete.
        case "READY" | "BUSY":
            return Readiness.READY
        case "SETUP_FAILED":
            return Readiness.SETUP_FAILED
    raise UnexpectedHealth(report.get("status"), report.get("user_healthcheck_error"))


async def wait_listening(server: RunningServer, client: ModelClient) -> None:
    """Wait for the first health report. Raises UserError if the server exits before it."""

    async def poll() -> None:
        while await client.health() is None:  # noqa: ASYNC110 - a server does not announce that it listens
            await asyncio.sleep(POLL_S)

    await server.while_starting(poll())


async def wait_set_up(server: RunningServer, client: ModelClient) -> None:
    """Wait until the model accepts predictions. Raises UserError if the setup fails or the server exits."""

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
