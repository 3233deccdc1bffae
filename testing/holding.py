"""Predictions that run until the test releases them."""

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any

from testing.client import Answer
from testing.script import script
from testing.server import Server
from testing.waiting import DEADLINE_S


def hold(until: str) -> str:
    """For `script`: prints `held`, and continues when the file `until` exists."""
    import pathlib
    import time

    print("held", flush=True)
    while not pathlib.Path(until).exists():
        time.sleep(0.01)
    return "let go"


async def hold_async(until: str) -> str:
    """For `async_script`: as `hold`."""
    import asyncio
    import pathlib

    print("held", flush=True)
    while not pathlib.Path(until).exists():  # noqa: ASYNC110, ASYNC240 - the file is the test's signal
        await asyncio.sleep(0.01)
    return "let go"


@contextmanager
def holding(
    server: Server, prediction_id: str, act: Callable[..., Any] = hold, **fields: Any
) -> Iterator["Future[Answer]"]:
    """Within the block a prediction of that id is running; past the block it has ended."""
    gate = server.folder / f"let-go-{secrets.token_hex(4)}"
    answer = server.begin(script(act, until=gate.name), id=prediction_id, **fields)
    try:
        server.wait_logged(prediction_id, "held")
        yield answer
    finally:
        gate.touch()
        wait([answer], DEADLINE_S)
