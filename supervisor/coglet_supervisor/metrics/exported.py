"""Metrics that models record, of which the server exports those that `COG_METRICS_EXPORT` names."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_LARGEST: Final = sys.float_info.max


@dataclass
class Summary:
    """How many predictions have recorded a metric, and the sum of its values."""

    count: int = 0
    sum: float = 0.0


class ExportedMetrics:
    """One summary for each of `names`, whatever the model records: a model cannot add names."""

    def __init__(self, names: Sequence[str]) -> None:
        self.summaries: Final = {name: Summary() for name in names}
        self._paths = [(tuple(name.split(".")), self.summaries[name]) for name in names]

    def add(self, metrics: Mapping[str, Any]) -> None:
        """Count the values of one prediction. Those that are not numbers, or too large, are ignored."""
        for path, summary in self._paths:
            value: Any = metrics
            for part in path:
                value = value.get(part) if isinstance(value, dict) else None
            if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST:
                summary.count += 1
                summary.sum += value
