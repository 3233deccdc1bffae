"""What records, metrics and the page cost a prediction. Ours alone."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from bench.environment import Environment
from bench.scenario import Effort, FigureGoal, Metric, Probe, Sample, Scenario
from bench.turns import Variant, costs

_WITHOUT_RECORDS: Final = Variant({"COG_RECORDS": "off"})
_UNOBSERVED: Final = Variant({"COG_METRICS": "off", "COG_UI": "off"})
_OBSERVED: Final = Variant({"COG_UI": "on"}, events="/ui/data/events")


def _in_turns(first: Variant, second: Variant) -> Callable[[Environment], AbstractAsyncContextManager[Probe]]:
    @asynccontextmanager
    async def opened(environment: Environment) -> AsyncIterator[Probe]:
        async def probe(effort: Effort) -> Sample:
            without, with_it = await costs(environment, first, second, effort)
            return {
                "without /s": without.succeeded_per_s,
                "with /s": with_it.succeeded_per_s,
                "with of without": with_it.succeeded_per_s / without.succeeded_per_s,
                "processor us without": without.processor_us,
                "processor us with": with_it.processor_us,
                "processor time": with_it.processor_us / without.processor_us,
            }

        yield probe

    return opened


SCENARIOS: Final = (
    Scenario(
        "records_memory",
        metrics=(
            Metric("without /s", "higher"),
            Metric("with /s", "higher"),
            Metric("with of without", "higher", FigureGoal(at_least=0.97)),
        ),
        open=_in_turns(_WITHOUT_RECORDS, Variant()),
        sides=("ours",),
    ),
    Scenario(
        "metrics_and_page",
        metrics=(
            Metric("processor us without", "lower"),
            Metric("processor us with", "lower"),
            Metric("processor time", "lower", FigureGoal(at_most=1.02)),
        ),
        open=_in_turns(_UNOBSERVED, _OBSERVED),
        sides=("ours",),
    ),
)
