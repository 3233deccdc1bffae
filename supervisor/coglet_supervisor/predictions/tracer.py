"""The interface through which runs become part of traces. The folder `tracing` implements it."""

from typing import Final, Protocol

from coglet_protocol.slot import Downloaded


class RunTracer(Protocol):
    """Makes the spans of runs, which it knows by the ids of their predictions. Also a RunObserver."""

    def accepted(self, context: dict[str, str]) -> dict[str, str]:
        """Return the context of a new prediction, with the trace of the request that asks for it."""
        ...

    def waits(self, prediction_id: str) -> None:
        """Note that the run waits for a slot from now on."""
        ...

    def started(self, prediction_id: str) -> dict[str, str]:
        """Note that the run is sent to a worker, and return the trace for it; empty if there is none."""
        ...

    def downloaded(self, message: Downloaded) -> None:
        """Note the end of a download."""
        ...


class _NoTracer:
    """The tracer of a server without traces."""

    def accepted(self, context: dict[str, str]) -> dict[str, str]:
        """See RunTracer."""
        return context

    def waits(self, prediction_id: str) -> None:
        """See RunTracer."""

    def started(self, prediction_id: str) -> dict[str, str]:
        """See RunTracer."""
        return {}

    def downloaded(self, message: Downloaded) -> None:
        """See RunTracer."""


NO_TRACER: Final = _NoTracer()
