"""The report: a table on stdout and a JSON file."""

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench.environment import REPOSITORY, Environment, Side
from bench.runner import Outcome
from bench.scenario import Metric, Scenario

_FOLDER: Final = Path(__file__).resolve().parent / "results"
_HEADINGS: Final = ("scenario", "metric", "ours", "peer", "ratio", "goal", "")


@dataclass(frozen=True)
class Row:
    """One metric of one scenario, summed up over the rounds."""

    scenario: str
    metric: str
    ours: float | None
    peer: float | None
    ratio: float | None
    """Above 1 when ours is better, whichever direction the metric has."""
    goal: str
    met: bool | None

    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        ratio = "-" if self.ratio is None else f"{self.ratio:.2f}x"
        verdict = {None: "", True: "met", False: "MISSED"}[self.met]
        return (
            self.scenario,
            self.metric,
            _figure(self.ours),
            _figure(self.peer),
            ratio,
            self.goal,
            verdict,
        )


Results = Sequence[tuple[Scenario, Mapping[Side, Outcome]]]


def rows(results: Results) -> list[Row]:
    """All metrics of all scenarios, in their order."""
    return [_row(scenario, metric, outcomes) for scenario, outcomes in results for metric in scenario.metrics]


def problems(results: Results) -> list[str]:
    """Return a sentence for each side that should have a result and has none."""
    return [
        f"NO RESULT: {scenario.name}, {side}: {outcome.problem}"
        for scenario, side, outcome in _outcomes(results)
        if outcome.problem is not None
    ]


def table(results: Results) -> str:
    """Return the medians side by side, then what is missing and why."""
    lines = [_HEADINGS, *(row.cells() for row in rows(results))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]
    text = [_aligned(line, widths) for line in lines]
    skipped = [
        f"skipped: {scenario.name}, {side}: {outcome.skipped}"
        for scenario, side, outcome in _outcomes(results)
        if outcome.skipped is not None
    ]
    return "\n".join(
        [text[0], "-" * len(text[0].rstrip()), *text[1:], "", *skipped, *problems(results)]
    ).rstrip()


def write(results: Results, environments: Sequence[Environment], settings: Mapping[str, object]) -> Path:
    """Write all measurements to a new file in `bench/results/` and return its path."""
    now = datetime.datetime.now(datetime.UTC)
    document = {
        "measured_at": now.isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": {
            "processors": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "servers": {environment.side: environment.distribution() for environment in environments},
        "settings": settings,
        "rows": [asdict(row) for row in rows(results)],
        "outcomes": {
            scenario.name: {side: asdict(outcome) for side, outcome in outcomes.items()}
            for scenario, outcomes in results
        },
    }
    _FOLDER.mkdir(exist_ok=True)
    path = _FOLDER / f"{now:%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path


def _row(scenario: Scenario, metric: Metric, outcomes: Mapping[Side, Outcome]) -> Row:
    ours = _summary(metric, outcomes.get("ours"))
    peer = _summary(metric, outcomes.get("peer"))
    ratio = None if ours is None or peer is None else metric.ratio(ours, peer)
    goal = "" if metric.goal is None else str(metric.goal)
    return Row(scenario.name, metric.name, ours, peer, ratio, goal, metric.met(ours, ratio))


def _summary(metric: Metric, outcome: Outcome | None) -> float | None:
    if outcome is None or not outcome.has_result:
        return None
    return metric.summarize([sample[metric.name] for sample in outcome.samples])


def _outcomes(results: Results) -> Iterator[tuple[Scenario, Side, Outcome]]:
    for scenario, outcomes in results:
        for side, outcome in outcomes.items():
            yield scenario, side, outcome


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}"


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    text = [cell.ljust(width) for cell, width in zip(cells[:2], widths[:2], strict=True)]
    figures = [cell.rjust(width) for cell, width in zip(cells[2:], widths[2:], strict=True)]
    return "  ".join([*text, *figures]).rstrip()


def _commit() -> str:
    """Return the measured commit, marked as dirty when files differ from it."""
    command = ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty", "--abbrev=12"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"
