"""The response to a scrape of Prometheus."""

from __future__ import annotations

import asyncio
from types import ModuleType

from coglet_supervisor.metrics.counts import Counts
from coglet_supervisor.metrics.machine import Machine


class Exposition:
    """Encodes what is counted, and the state of the server."""

    def __init__(self, counts: Counts, machine: Machine) -> None:
        self._counts = counts
        self._machine = machine

    async def encode(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics in the format that the `Accept` field asks for, and its content type.

        Raises RuntimeError if no thread could be started.
        """
        families = await asyncio.to_thread(_families)
        state = await self._machine.state()
        collected = families.collect(self._counts, state, self._machine.webhook_outcomes)
        return await asyncio.to_thread(families.encode, collected, accept)


def _families() -> ModuleType:
    # prometheus_client takes 0.1 s to import, which a server that is never scraped does not need.
    from coglet_supervisor.metrics import families

    return families
