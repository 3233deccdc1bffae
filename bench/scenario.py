"""A scenario: a model, a measurement, and its goals."""

import statistics
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal

from bench.environment import Environment, Side
from bench.server import Server, serve

Sample = Mapping[str, float]
"""The figures of one measurement, by the name of their metric."""

BOTH: Final[tuple[Side, ...]] = ("ours", "peer")


@dataclass(frozen=True)
class RatioGoal:
    """Ours against the peer, above 1 when ours is the better one."""

    at_least: float

    def __str__(self) -> str:
        return f">= {self.at_least:g}x"


@dataclass(frozen=True)
class FigureGoal:
    """Our own figure, whatever the peer's is."""

    at_least: float = float("-inf")
    at_most: float = float("inf")

    def __str__(self) -> str:
        return f"<= {self.at_most:g}" if self.at_most < float("inf") else f">= {self.at_least:g}"


@dataclass(frozen=True)
class Metric:
    """One figure of a scenario; the name ends with the unit."""

    name: str
    better: Literal["higher", "lower"]
    goal: RatioGoal | FigureGoal | None = None
    summarize: Callable[[Sequence[float]], float] = statistics.median
    """Turns the samples of all rounds into the figure of the table."""

    def ratio(self, ours: float, peer: float) -> float | None:
        """Return the ratio of ours to the peer, above 1 when ours is better; None when a figure is zero."""
        if not ours or not peer:
            return None
        return ours / peer if self.better == "higher" else peer / ours

    def met(self, ours: float | None, ratio: float | None) -> bool | None:
        """Return whether the goal is met; None without a goal or without its figure."""
        match self.goal:
            case RatioGoal(at_least) if ratio is not None:
                return ratio >= at_least
            case FigureGoal(at_least, at_most) if ours is not None:
                return at_least <= ours <= at_most
        return None


ERRORS: Final = Metric("errors", "lower", FigureGoal(at_most=0), summarize=sum)


@dataclass(frozen=True)
class Effort:
    """How long one sample may take."""

    seconds: int
    """Duration of a run of the load generator."""
    repeats: int
    """Repetitions of a single operation; scenarios of cheap operations multiply it."""


WARM_UP: Final = Effort(seconds=1, repeats=1)

Probe = Callable[[Effort], Awaitable[Sample]]
"""Takes one sample; raises `NoResult` when the server did not do the work."""


@dataclass(frozen=True)
class Scenario:
    """A comparison under one heading."""

    name: str
    metrics: tuple[Metric, ...]
    open: Callable[[Environment], AbstractAsyncContextManager[Probe]]
    """Prepares a side to be probed; valid within the block."""
    sides: tuple[Side, ...] = BOTH


def on_server(
    model: str, measure: Callable[[Server, Effort], Awaitable[Sample]], **variables: str
) -> Callable[[Environment], AbstractAsyncContextManager[Probe]]:
    """Probe one running, warmed-up server of the model; it is idle while the other side is probed."""

    @asynccontextmanager
    async def opened(environment: Environment) -> AsyncIterator[Probe]:
        async with serve(environment, model, variables) as server:

            async def probe(effort: Effort) -> Sample:
                await server.wait_free()
                return await measure(server, effort)

            await probe(WARM_UP)
            yield probe

    return opened
