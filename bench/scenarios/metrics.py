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
from bench.scenario import WARM_UP, Effort, FigureGoal, Metric, Probe, Sample, Scenario
from bench.server import Server, serve

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAIRS_A_REPEAT: Final = 3


@asynccontextmanager
async def _on_and_off(environment: Environment) -> AsyncIterator[Probe]:
    async with (
        serve(environment, "hello_async", {"COG_METRICS": "off"}) as without,
        serve(environment, "hello_async") as counting,
    ):

        async def probe(effort: Effort) -> Sample:
            off_us, on_us = [], []
            # In turn, a second each, so that a change of the machine's speed meets both.
            for _ in range(effort.repeats * _PAIRS_A_REPEAT):
                off_us.append(await _processor_us(without))
                on_us.append(await _processor_us(counting))
            ratios = [on / off for off, on in zip(off_us, on_us, strict=True)]
            return {
                "off us": statistics.median(off_us),
                "on us": statistics.median(on_us),
                "on of off": statistics.median(ratios),
            }

        await probe(WARM_UP)
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
