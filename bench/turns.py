"""What a setting of our server costs: servers with it and without it, under the same load in turns."""

import asyncio
import os
import statistics
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.environment import Environment
from bench.errors import require
from bench.load import generate_load
from bench.memory import started_by
from bench.scenario import Effort
from bench.server import Server, serve

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Variant:
    """A server with these variables; a client reads the events at `events` all the time, if it is set."""

    variables: Mapping[str, str] = field(default_factory=dict)
    events: str | None = None


@dataclass(frozen=True)
class Cost:
    """Medians of one variant."""

    succeeded_per_s: float
    processor_us: float
    """Processor time of all processes of the server for one prediction, in microseconds."""


async def costs(
    environment: Environment, first: Variant, second: Variant, effort: Effort
) -> tuple[Cost, Cost]:
    """Return the cost of a hello prediction, one client after the other, in two variants of the server.

    The servers are new each time, because two processes with the same settings differ by a few percent all
    their life.
    """
    rates: tuple[list[float], list[float]] = ([], [])
    times_us: tuple[list[float], list[float]] = ([], [])
    for _ in range(effort.repeats):
        async with AsyncExitStack() as stack:
            servers = [
                await stack.enter_async_context(_serve(environment, variant)) for variant in (first, second)
            ]
            for server in servers:
                await generate_load(server.port, 1, 1)
            for number in (0, 1, 1, 0):
                rate_per_s, processor_us = await _measure(servers[number], effort.seconds)
                rates[number].append(rate_per_s)
                times_us[number].append(processor_us)
    without, with_it = map(Cost, map(statistics.median, rates), map(statistics.median, times_us))
    return without, with_it


@asynccontextmanager
async def _serve(environment: Environment, variant: Variant) -> AsyncIterator[Server]:
    async with serve(environment, "hello_async", variant.variables) as server, AsyncExitStack() as stack:
        if variant.events is not None:
            await stack.enter_async_context(_reader(server.port, variant.events))
        yield server


@asynccontextmanager
async def _reader(port: int, path: str) -> AsyncIterator[None]:
    """Read a stream of events for the time of the block."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    require(head.startswith(b"HTTP/1.1 200 "), f"no events at {path}: {head[:200]!r}")
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(_drain(reader))
        yield
        require(not task.done(), f"the events at {path} ended")
        task.cancel()
    writer.close()


async def _drain(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


async def _measure(server: Server, seconds: int) -> tuple[float, float]:
    pids = [server.pid, *started_by(server.pid)]
    before_s = sum(map(_used_s, pids))
    load = await generate_load(server.port, 1, seconds)
    used_s = sum(map(_used_s, pids)) - before_s
    return load.succeeded_per_s, used_s / (load.succeeded_per_s * seconds) * 1e6


def _used_s(pid: int) -> float:
    # The command name, in parentheses, may itself contain spaces. Source: proc(5), utime and stime.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
