"""Runs a scenario on both sides in turn: A B A B."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from bench.environment import Environment, Side
from bench.errors import NoResult, Skipped
from bench.scenario import Effort, Probe, Sample, Scenario

# A sample takes seconds; this limit is for a server that never responds.
_STEP_LIMIT_S = 120.0
# The last three are raised when a response has an unexpected shape; TimeoutError is an OSError.
_NO_RESULT = (NoResult, Skipped, OSError, LookupError, TypeError, ValueError)


@dataclass
class Outcome:
    """The outcome of one side of a scenario."""

    samples: list[Sample] = field(default_factory=list)
    problem: str | None = None
    """Why a result is missing that should exist."""
    skipped: str | None = None
    """Why no result was expected."""

    @property
    def has_result(self) -> bool:
        """Whether the samples count: a side that was wrong once has no result at all."""
        return bool(self.samples) and self.problem is None and self.skipped is None


async def run(
    scenario: Scenario, environments: Sequence[Environment], rounds: int, effort: Effort
) -> dict[Side, Outcome]:
    """Run all rounds of a scenario; a side that fails is left out of the remaining rounds."""
    wanted = [environment for environment in environments if environment.side in scenario.sides]
    outcomes = {environment.side: Outcome() for environment in wanted}
    async with AsyncExitStack() as stack:
        probes: dict[Side, Probe] = {}
        for environment in wanted:
            _progress(f"{scenario.name}: {environment.side} prepares")
            probe = await _open(scenario, environment, stack, outcomes[environment.side])
            if probe is not None:
                probes[environment.side] = probe
        for number in range(1, rounds + 1):
            for side, probe in probes.items():
                if outcomes[side].problem is None and outcomes[side].skipped is None:
                    _progress(f"{scenario.name}: {side} round {number} of {rounds}")
                    await _sample(probe, effort, outcomes[side])
    return outcomes


async def _open(
    scenario: Scenario, environment: Environment, stack: AsyncExitStack, outcome: Outcome
) -> Probe | None:
    probe = None
    try:
        async with asyncio.timeout(_STEP_LIMIT_S):
            probe = await stack.enter_async_context(scenario.open(environment))
    except* _NO_RESULT as group:
        _note(group, outcome)
    return probe


async def _sample(probe: Probe, effort: Effort, outcome: Outcome) -> None:
    try:
        async with asyncio.timeout(_STEP_LIMIT_S):
            outcome.samples.append(await probe(effort))
    except* _NO_RESULT as group:
        _note(group, outcome)


def _note(group: BaseExceptionGroup[BaseException], outcome: Outcome) -> None:
    first = group.exceptions[0]
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    match first:
        case Skipped():
            outcome.skipped = str(first)
        case NoResult():
            outcome.problem = str(first)
        case _:
            outcome.problem = f"{type(first).__name__}: {first}".rstrip(": ")


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
