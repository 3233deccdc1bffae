"""Cancel and webhooks."""

import asyncio
import json
import statistics
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from testing.counting_receiver import CountingReceiver
from testing.waiting import wait_until

from bench.client import Connection, Response, connect
from bench.errors import require
from bench.scenario import ERRORS, Effort, Metric, RatioGoal, Sample, Scenario, on_server
from bench.server import Server

_WAIT_LIMIT_S: Final = 30.0
_CANCELS_A_REPEAT: Final = 4
_WEBHOOKS_A_REPEAT: Final = 200
_WEBHOOK_CONNECTIONS: Final = 8


async def _measure_cancel(server: Server, effort: Effort) -> Sample:
    latencies_ms = [await _cancel_one(server) for _ in range(effort.repeats * _CANCELS_A_REPEAT)]
    return {"latency ms": statistics.median(latencies_ms)}


async def _cancel_one(server: Server) -> float:
    """Milliseconds from the cancel request to the end of the prediction's own answer."""
    await server.wait_free()
    prediction_id = f"cancel-{uuid.uuid4().hex}"
    # The model creates this file in its working directory once it is inside predict(), whatever the
    # server says or does not say about it.
    started = server.folder / f"{prediction_id}.started"
    request = {"id": prediction_id, "input": {"started": started.name}}
    async with (
        connect(server.port) as waiting,
        connect(server.port) as canceling,
        asyncio.TaskGroup() as tasks,
    ):
        prediction = tasks.create_task(_canceled(waiting, request))
        await wait_until(partial(_exists, started), _WAIT_LIMIT_S)
        sent_at = time.perf_counter()
        answer = await canceling.request("POST", f"/predictions/{prediction_id}/cancel", b"", {})
        require(answer.status == 200, f"cancel answered {answer.status}")
    return (prediction.result().done_at - sent_at) * 1000


async def _exists(path: Path) -> bool:
    return await asyncio.to_thread(path.exists)


async def _canceled(connection: Connection, request: Mapping[str, object]) -> Response:
    answer = await connection.predict(request)
    answer.prediction(status="canceled")
    return answer


async def _measure_webhooks(server: Server, effort: Effort) -> Sample:
    """Terminal webhooks of short predictions, from the first request to the last delivery."""
    count = effort.repeats * _WEBHOOKS_A_REPEAT
    receiver = CountingReceiver(count)
    ids = [f"hook-{number}-{uuid.uuid4().hex}" for number in range(count)]
    queue = iter(ids)
    refused = 0

    async def keep_busy() -> None:
        nonlocal refused
        async with connect(server.port) as connection:
            for prediction_id in queue:
                refused += await _predict_with_webhook(connection, prediction_id, receiver.url)

    async with receiver.listening():
        began_at = time.perf_counter()
        with suppress(TimeoutError):
            async with asyncio.timeout(_WAIT_LIMIT_S), asyncio.TaskGroup() as tasks:
                for _ in range(_WEBHOOK_CONNECTIONS):
                    tasks.create_task(keep_busy())
                await receiver.wait_complete()
    _check_deliveries(receiver.bodies, ids)
    return {"delivered/s": count / (receiver.last_at - began_at), "errors": refused}


async def _predict_with_webhook(connection: Connection, prediction_id: str, url: str) -> int:
    """Run one prediction; return how often the server refused it because no slot was free."""
    request = {
        "id": prediction_id,
        "input": {"name": prediction_id},
        "webhook": url,
        "webhook_events_filter": ["completed"],
    }
    refused = 0
    while (answer := await connection.predict(request)).status == 409:
        refused += 1
    answer.prediction()
    return refused


def _check_deliveries(bodies: list[bytes], ids: list[str]) -> None:
    delivered = [json.loads(body) for body in bodies]
    require(
        sorted(event["id"] for event in delivered) == sorted(ids),
        f"{len(delivered)} webhooks arrived, expected one for each of {len(ids)} predictions",
    )
    for event in delivered:
        good = event["status"] == "succeeded" and event["output"] == f"hello {event['id']}"
        require(good, f"unexpected event instead of the prediction's success: {str(event)[:300]}")


SCENARIOS: Final = (
    Scenario(
        "cancel_sync",
        (Metric("latency ms", "lower", RatioGoal(1.5)),),
        on_server("cancel_sync", _measure_cancel),
    ),
    # Without a goal: the peer answers before the model's own code has ended.
    Scenario("cancel_async", (Metric("latency ms", "lower"),), on_server("cancel_async", _measure_cancel)),
    Scenario(
        "webhooks",
        (Metric("delivered/s", "higher", RatioGoal(2.0)), ERRORS),
        on_server("hello_async", _measure_webhooks, COG_MAX_CONCURRENCY="32"),
    ),
)
