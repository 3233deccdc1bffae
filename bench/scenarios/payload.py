"""32 MiB in one value: as input, as output, and as a file the model returns."""

import base64
import statistics
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, Final

from bench.client import predict_once
from bench.errors import require
from bench.scenario import Effort, Metric, RatioGoal, Sample, Scenario, on_server
from bench.server import Server

_MIB: Final = 32
_DATA_URL: Final = "data:application/octet-stream;base64,"


@cache
def _text() -> str:
    """The text that the models `large_input` and `large_output` also build."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return alphabet * (_MIB * 1024 * 1024 // len(alphabet))


@cache
def _file_url() -> str:
    """The output of the model `large_file`."""
    content = bytes(range(256)) * (_MIB * 1024 * 4)
    return _DATA_URL + base64.b64encode(content).decode()


def _transfer(
    make_input: Callable[[], dict[str, object]], expected: Callable[[], Any]
) -> Callable[[Server, Effort], Awaitable[Sample]]:
    async def measure(server: Server, effort: Effort) -> Sample:
        elapsed_s: list[float] = []
        for _ in range(effort.repeats):
            await server.wait_free()
            answer = await predict_once(server.port, {"input": make_input()})
            output = answer.prediction()["output"]
            require(output == expected(), f"unexpected output, it starts with {str(output)[:100]!r}")
            elapsed_s.append(answer.elapsed_s)
        return {"MiB/s": _MIB / statistics.median(elapsed_s)}

    return measure


def _scenario(
    name: str, at_least: float, make_input: Callable[[], dict[str, object]], expected: Callable[[], Any]
) -> Scenario:
    metrics = (Metric("MiB/s", "higher", RatioGoal(at_least)),)
    return Scenario(name, metrics, on_server(name, _transfer(make_input, expected)))


SCENARIOS: Final = (
    # The model compares the text with its own copy and returns the verdict.
    _scenario("large_input", 1.5, lambda: {"text": _text()}, lambda: True),
    _scenario("large_output", 2.0, dict, _text),
    _scenario("large_file", 2.0, dict, _file_url),
)
