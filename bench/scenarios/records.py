"""What records and the queue cost, and how a server starts that finds many predictions. Ours alone."""

import asyncio
import shutil
import statistics
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from bench.client import connect
from bench.environment import Environment
from bench.errors import require
from bench.load import generate_load
from bench.memory import pss_mib
from bench.scenario import ERRORS, WARM_UP, Effort, FigureGoal, Metric, Probe, Sample, Scenario, on_server
from bench.server import Server, serve

_CLIENTS: Final = 16
_QUEUED: Final = 10_000
_ENDLESS: Final = {"COG_MAX_CONCURRENCY": "1", "COG_QUEUE_SIZE": "10000000"}


async def _through_the_queue(server: Server, effort: Effort) -> Sample:
    load = await generate_load(server.port, 64, effort.seconds)
    return {
        "succeeded/s": load.succeeded_per_s,
        "errors": load.errors,
        "p50 ms": load.p50_ms,
        "p99 ms": load.p99_ms,
    }


@asynccontextmanager
async def _sqlite_accept(environment: Environment) -> AsyncIterator[Probe]:
    async def probe(effort: Effort) -> Sample:
        rates = []
        for in_file in (True, False):
            # A server for each sample, which has nothing to do but to accept.
            async with AsyncExitStack() as stack:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
                records = f"sqlite:{folder}/records.db" if in_file else "memory"
                server = await stack.enter_async_context(
                    serve(environment, "sleep_async", {**_ENDLESS, "COG_RECORDS": records})
                )
                rates.append(await _accept(server, effort.seconds))
        return {"accepted/s": rates[0], "in memory /s": rates[1], "of memory": rates[0] / rates[1]}

    await probe(WARM_UP)
    yield probe


async def _accept(server: Server, seconds: int) -> float:
    """Return how many predictions a second were accepted."""
    load = await generate_load(server.port, _CLIENTS, seconds, async_ids=uuid.uuid4().hex)
    require(load.errors == 0, f"{load.errors} requests were refused")
    return load.succeeded_per_s


@asynccontextmanager
async def _restart(environment: Environment) -> AsyncIterator[Probe]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        template = Path(tempfile.mkdtemp(dir=folder))
        await _fill(environment, template)

        async def probe(effort: Effort) -> Sample:
            starts_ms: list[float] = []
            held_mib: list[float] = []
            for number in range(effort.repeats):
                copy = Path(folder, f"copy-{number}")
                shutil.copytree(template, copy)
                async with serve(environment, "sleep_async", _on(copy)) as server:
                    starts_ms.append(server.ready_after_s * 1000)
                    held_mib.append(pss_mib([server.pid]))
                    waiting = await _waiting(server)
                    require(waiting > 0.9 * _QUEUED, f"{waiting} predictions wait, not about {_QUEUED}")
                shutil.rmtree(copy)
            return {"to READY ms": statistics.median(starts_ms), "parent MiB": statistics.median(held_mib)}

        yield probe


async def _fill(environment: Environment, folder: Path) -> None:
    """Leave a file with `_QUEUED` predictions, of which nearly all wait."""
    async with (
        serve(environment, "sleep_async", _on(folder)) as server,
        asyncio.TaskGroup() as clients,
    ):
        for _ in range(_CLIENTS):
            clients.create_task(_accept_some(server, _QUEUED // _CLIENTS))


async def _accept_some(server: Server, count: int) -> None:
    async with connect(server.port) as connection:
        for _ in range(count):
            response = await connection.predict(
                {"input": {"name": "bench"}}, headers={"Prefer": "respond-async"}
            )
            require(response.status == 202, f"a prediction was refused: {response.status}")


def _on(folder: Path) -> dict[str, str]:
    return {**_ENDLESS, "COG_RECORDS": f"sqlite:{folder}/records.db"}


async def _waiting(server: Server) -> int:
    async with connect(server.port) as connection:
        return int((await connection.get("/health-check")).json()["queue"]["size"])


SCENARIOS: Final = (
    Scenario(
        "queue_64_clients_1_slot",
        metrics=(
            Metric("succeeded/s", "higher"),
            ERRORS,
            Metric("p50 ms", "lower"),
            Metric("p99 ms", "lower"),
        ),
        open=on_server("hello_async", _through_the_queue, COG_MAX_CONCURRENCY="1", COG_QUEUE_SIZE="100"),
        sides=("ours",),
    ),
    Scenario(
        "sqlite_accept",
        metrics=(
            Metric("accepted/s", "higher", FigureGoal(at_least=2000)),
            Metric("in memory /s", "higher"),
            Metric("of memory", "higher"),
        ),
        open=_sqlite_accept,
        sides=("ours",),
    ),
    Scenario(
        "restart_with_10000_queued",
        metrics=(Metric("to READY ms", "lower"), Metric("parent MiB", "lower")),
        open=_restart,
        sides=("ours",),
    ),
)
