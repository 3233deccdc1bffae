"""Start-up time, memory, and the gain of several workers."""

import asyncio
import inspect
import itertools
import statistics
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Final

from testing.waiting import wait_until

from bench.client import Connection, Response, connect, predict_once
from bench.environment import Environment
from bench.errors import Skipped, require
from bench.memory import pss_mib, started_by
from bench.scenario import WARM_UP, Effort, FigureGoal, Metric, Probe, RatioGoal, Sample, Scenario
from bench.server import Server, serve

_WARM_UP_PREDICTIONS: Final = 100
_CPU_ROUNDS: Final = 8_000_000
_RELOAD_LIMIT_S: Final = 30.0


@asynccontextmanager
async def _cold_start(environment: Environment) -> AsyncIterator[Probe]:
    async def probe(effort: Effort) -> Sample:
        starts_ms: list[float] = []
        for _ in range(effort.repeats):
            async with serve(environment, "hello_sync") as server:
                starts_ms.append(server.ready_after_s * 1000)
                await _hello(server, 1)
        return {"to READY ms": statistics.median(starts_ms)}

    await probe(WARM_UP)  # compiles bytecode, fills the page cache
    yield probe


@asynccontextmanager
async def _reload(environment: Environment) -> AsyncIterator[Probe]:
    numbers = itertools.count(1)
    async with serve(environment, "hello_sync", reload=True) as server:
        source = server.folder / "predict.py"
        first = source.read_text()

        async def probe(effort: Effort) -> Sample:
            took_s: list[float] = []
            async with connect(server.port) as connection:
                for _ in range(5 * effort.repeats):
                    word = f"hello{next(numbers)}"
                    edited = server.folder / "edited"
                    edited.write_text(first.replace("hello", word))
                    began_at = time.perf_counter()
                    edited.replace(source)
                    await _wait_output(connection, f"{word} n")
                    took_s.append(time.perf_counter() - began_at)
            return {"to the first answer s": statistics.median(took_s)}

        await probe(WARM_UP)
        yield probe


async def _wait_output(connection: Connection, expected: str) -> None:
    async def is_served() -> bool:
        answer = await connection.predict({"input": {"name": "n"}})
        return answer.status == 200 and answer.prediction()["output"] == expected

    await wait_until(is_served, _RELOAD_LIMIT_S)


@asynccontextmanager
async def _memory(environment: Environment) -> AsyncIterator[Probe]:
    # One server at a time: two servers of one interpreter would share its pages, and so their cost.
    async def probe(effort: Effort) -> Sample:
        async with serve(environment, "hello_sync") as server:
            await _hello(server, _WARM_UP_PREDICTIONS)
            workers = started_by(server.pid)
            require(bool(workers), "the server has no child process")
            return {"parent MiB": pss_mib([server.pid]), "worker MiB": pss_mib(workers)}

    yield probe


async def _hello(server: Server, count: int) -> None:
    async with connect(server.port) as connection:
        for number in range(count):
            await server.wait_free()
            answer = await connection.predict({"input": {"name": f"n{number}"}})
            output = answer.prediction()["output"]
            require(output == f"hello n{number}", f"output {output!r} to the name 'n{number}'")


@asynccontextmanager
async def _workers(environment: Environment) -> AsyncIterator[Probe]:
    async with (
        serve(environment, "cpu_bound", {"COG_WORKERS": "1"}) as one,
        serve(environment, "cpu_bound", {"COG_WORKERS": "2"}) as two,
    ):

        async def probe(effort: Effort) -> Sample:
            alone: list[float] = []
            paired: list[float] = []
            bare: list[float] = []
            for _ in range(effort.repeats):
                alone.append(await _compute(one, at_once=1))
                paired.append(await _compute(two, at_once=2))
                bare.append(
                    2 * await _compute_bare(environment, 1) / await _compute_bare(environment, at_once=2)
                )
            one_per_s, two_per_s = 1 / statistics.median(alone), 2 / statistics.median(paired)
            return {
                "one worker /s": one_per_s,
                "two workers /s": two_per_s,
                "speed-up": two_per_s / one_per_s,
                "of bare processes": statistics.median(bare),
            }

        await probe(WARM_UP)
        yield probe


async def _compute(server: Server, at_once: int) -> float:
    """Return the seconds until `at_once` predictions, started together, have all ended."""
    await server.wait_free()
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_compute_one(server)) for _ in range(at_once)]
    answers = [task.result() for task in running]
    if at_once > 1 and any(answer.status == 409 for answer in answers):
        raise Skipped(f"COG_WORKERS is not supported: the server refused {at_once} predictions at once")
    for answer in answers:
        output = answer.prediction()["output"]
        require(output == _checksum(_CPU_ROUNDS), f"computed {output}, not {_checksum(_CPU_ROUNDS)}")
    return max(answer.done_at for answer in answers) - min(answer.sent_at for answer in answers)


def compute(rounds: int) -> int:
    """The work of the model `cpu_bound`."""
    total = 0
    for number in range(rounds):
        total = (total * 31 + number) % 1_000_003
    return total


_checksum: Final = cache(compute)


async def _compute_bare(environment: Environment, at_once: int) -> float:
    """As `_compute`, in bare processes: the upper bound of this machine."""
    code = f"{inspect.getsource(compute)}\nprint()\ninput()\nprint(compute({_CPU_ROUNDS}))"
    processes = [
        await asyncio.create_subprocess_exec(
            *(environment.python, "-u", "-c", code), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(at_once)
    ]
    for process in processes:
        assert process.stdout is not None
        await process.stdout.readline()
    began_at = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for process in processes:
            tasks.create_task(process.communicate(b"\n"))
    return time.perf_counter() - began_at


async def _compute_one(server: Server) -> Response:
    return await predict_once(server.port, {"input": {"rounds": _CPU_ROUNDS}})


SCENARIOS: Final = (
    Scenario("cold_start", (Metric("to READY ms", "lower", RatioGoal(0.9)),), _cold_start),
    Scenario(
        "reload",
        (Metric("to the first answer s", "lower", FigureGoal(at_most=0.5)),),
        _reload,
        sides=("ours",),
    ),
    Scenario(
        "memory",
        (
            Metric("parent MiB", "lower", RatioGoal(0.9)),
            Metric("worker MiB", "lower", RatioGoal(1.2)),
        ),
        _memory,
    ),
    Scenario(
        "workers_2",
        (
            Metric("one worker /s", "higher"),
            Metric("two workers /s", "higher"),
            Metric("speed-up", "higher", FigureGoal(at_least=1.9)),
            Metric("of bare processes", "higher"),
        ),
        _workers,
        sides=("ours",),
    ),
)
