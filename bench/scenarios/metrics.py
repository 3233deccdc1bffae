"""What counting costs a prediction: processor time, with metrics on and off in turn. Ours alone."""

import os
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from bench.environment import Environment
from bench.load import generate_load
from bench.memory import started_by
from bench.scenario import Effort, FigureGoal, Metric, Probe, Sample, Scenario
from bench.server import Server, serve

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_OFF: Final = {"COG_METRICS": "off"}


@asynccontextmanager
async def _on_and_off(environment: Environment) -> AsyncIterator[Probe]:
    async def probe(effort: Effort) -> Sample:
        off_us: list[float] = []
        on_us: list[float] = []
        # New servers each time: two processes with the same settings differ by a few percent all their life.
        for _ in range(effort.repeats):
            async with (
                serve(environment, "hello_async", _OFF) as off,
                serve(environment, "hello_async") as on,
            ):
                for server in (off, on):
                    await generate_load(server.port, 1, 1)
                for server in (off, on, on, off):
                    (off_us if server is off else on_us).append(await _processor_us(server))
        plain, counting = statistics.median(off_us), statistics.median(on_us)
        return {"off us": plain, "on us": counting, "on of off": counting / plain}

    yield probe


async def _processor_us(server: Server) -> float:
    """Return the processor time of all processes of the server for one prediction, in microseconds."""
    pids = [server.pid, *started_by(server.pid)]
    before = sum(map(_used_s, pids))
    load = await generate_load(server.port, 1, 1)
    return (sum(map(_used_s, pids)) - before) / load.succeeded_per_s * 1e6


def _used_s(pid: int) -> float:
    # The command name, in parentheses, may itself contain spaces. Source: proc(5), utime and stime.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


SCENARIOS: Final = (
    Scenario(
        "metrics_on_off",
        metrics=(
            Metric("off us", "lower"),
            Metric("on us", "lower"),
            Metric("on of off", "lower", FigureGoal(at_most=1.02)),
        ),
        open=_on_and_off,
        sides=("ours",),
    ),
)
