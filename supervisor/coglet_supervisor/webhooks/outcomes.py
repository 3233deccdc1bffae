"""Counts what became of webhooks."""

from collections import Counter
from collections.abc import Mapping
from typing import Literal

# `progress` is any webhook between the start and the end: output and logs are often sent together.
Event = Literal["start", "progress", "completed"]
# `retried`: the attempt failed, and another one follows. `failed`: it is not delivered.
Outcome = Literal["delivered", "retried", "failed"]


class Outcomes:
    """The number of webhooks, by event and outcome."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[Event, Outcome]] = Counter()

    @property
    def counts(self) -> Mapping[tuple[Event, Outcome], int]:
        """The numbers so far; those that are absent are 0."""
        return self._counts

    def count(self, event: Event, outcome: Outcome) -> None:
        """Count one webhook, or one attempt that will be repeated."""
        self._counts[event, outcome] += 1
