"""Predictions a second: hello, and short sleeps that fill every slot."""

from typing import Final

from bench.load import generate_load
from bench.scenario import ERRORS, Effort, Metric, RatioGoal, Sample, Scenario, on_server
from bench.server import Server


def _scenario(name: str, model: str, connections: int, at_least: float, slots: int) -> Scenario:
    async def measure(server: Server, effort: Effort) -> Sample:
        load = await generate_load(server.port, connections, effort.seconds)
        return {
            "succeeded/s": load.succeeded_per_s,
            "errors": load.errors,
            "p50 ms": load.p50_ms,
            "p99 ms": load.p99_ms,
        }

    return Scenario(
        name,
        metrics=(
            Metric("succeeded/s", "higher", RatioGoal(at_least)),
            ERRORS,
            Metric("p50 ms", "lower"),
            Metric("p99 ms", "lower"),
        ),
        open=on_server(model, measure, COG_MAX_CONCURRENCY=str(slots)),
    )


SCENARIOS: Final = (
    _scenario("hello_sync_c1", "hello_sync", connections=1, at_least=2.0, slots=1),
    _scenario("hello_async_c1", "hello_async", connections=1, at_least=2.0, slots=32),
    _scenario("hello_async_c16", "hello_async", connections=16, at_least=2.5, slots=32),
    # 64 slots of 50 ms each: no server can do more than 1,280 a second.
    _scenario("sleep_50ms_c64", "sleep_async", connections=64, at_least=1.1, slots=64),
)
