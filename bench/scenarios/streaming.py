"""Many small outputs of one prediction: server-sent events, an iterator's list, log lines."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Final

from testing.events import parse_events

from bench.client import Response, predict_once
from bench.errors import require
from bench.scenario import Effort, Metric, RatioGoal, Sample, Scenario, on_server
from bench.server import Server

_TOKENS: Final = 2_000
_ITEMS: Final = 5_000
_LINES: Final = 10_000
# As many events as the stream has: the default of 1,024 lets a server end a stream that it writes faster
# than the client reads, and what is measured is the stream.
_HISTORY: Final = "4096"


async def _measure_sse(server: Server, effort: Effort) -> Sample:
    headers = {"Accept": "text/event-stream"}
    answers = await _predict_all(server, _TOKENS, effort, headers, marker=b"event: output")
    first_token_ms = [_check_sse(answer) for answer in answers]
    return {"tokens/s": _rate(_TOKENS, answers), "first token ms": statistics.median(first_token_ms)}


def _check_sse(answer: Response) -> float:
    """Return the milliseconds to the first token. Raises `NoResult` unless all tokens arrived in order."""
    require(answer.status == 200, f"status {answer.status}: {bytes(answer.body[:300])!r}")
    kind = answer.headers.get("content-type", "none")
    require(kind.startswith("text/event-stream"), f"not an event stream: content-type {kind}")
    events = parse_events(bytes(answer.body))
    chunks = [event.data["chunk"] for event in events if event.name == "output"]
    require(chunks == _numbered("token", _TOKENS), f"not {_TOKENS} tokens in order: {len(chunks)} came")
    end = events[-1]
    require(end.data.get("status") == "succeeded", f"the stream ended with {str(end)[:300]}")
    assert answer.marked_at is not None  # the marker precedes every token
    return (answer.marked_at - answer.sent_at) * 1000


async def _measure_iterator(server: Server, effort: Effort) -> Sample:
    answers = await _predict_all(server, _ITEMS, effort)
    for answer in answers:
        items = answer.prediction()["output"]
        require(items == _numbered("item", _ITEMS), f"not {_ITEMS} items in order: {len(items)} came")
    return {"items/s": _rate(_ITEMS, answers)}


async def _measure_logs(server: Server, effort: Effort) -> Sample:
    answers = await _predict_all(server, _LINES, effort)
    expected = "".join(f"{line}\n" for line in _numbered("line", _LINES))
    for answer in answers:
        logs = answer.prediction()["logs"]
        require(logs == expected, f"not {_LINES} lines in order: {len(logs.splitlines())} came")
    return {"lines/s": _rate(_LINES, answers)}


async def _predict_all(
    server: Server,
    count: int,
    effort: Effort,
    headers: Mapping[str, str] | None = None,
    marker: bytes | None = None,
) -> list[Response]:
    answers: list[Response] = []
    for _ in range(effort.repeats):
        await server.wait_free()
        answers.append(await predict_once(server.port, {"input": {"count": count}}, headers, marker))
    return answers


def _rate(count: int, answers: Sequence[Response]) -> float:
    return count / statistics.median(answer.elapsed_s for answer in answers)


def _numbered(word: str, count: int) -> list[str]:
    return [f"{word} {number}" for number in range(count)]


def _sse_scenario(name: str, model: str) -> Scenario:
    return Scenario(
        name,
        metrics=(
            Metric("tokens/s", "higher", RatioGoal(4)),
            Metric("first token ms", "lower", RatioGoal(1.0)),
        ),
        open=on_server(model, _measure_sse, COG_STREAM_HISTORY_CAPACITY=_HISTORY),
    )


SCENARIOS: Final = (
    _sse_scenario("sse_sync", "tokens_sync"),
    _sse_scenario("sse_async", "tokens_async"),
    Scenario(
        "iterator",
        metrics=(Metric("items/s", "higher", RatioGoal(4)),),
        open=on_server("iterator", _measure_iterator),
    ),
    Scenario(
        "log_lines",
        metrics=(Metric("lines/s", "higher", RatioGoal(1.0)),),
        open=on_server("log_lines", _measure_logs),
    ),
)
