"""All scenarios, in the order of the table."""

from typing import Final

from bench.scenario import Scenario
from bench.scenarios import control, cost, lifecycle, payload, records, streaming, throughput

SCENARIOS: Final[tuple[Scenario, ...]] = (
    *throughput.SCENARIOS,
    *streaming.SCENARIOS,
    *payload.SCENARIOS,
    *control.SCENARIOS,
    *lifecycle.SCENARIOS,
    *records.SCENARIOS,
    *cost.SCENARIOS,
)
