"""The numbers of new spans: random, but for downloads, whose number the worker has chosen."""

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator


class SpanIds(RandomIdGenerator):
    """Used on the event loop alone."""

    def __init__(self) -> None:
        self._next: int | None = None

    def use_next(self, span_id: int) -> None:
        """Give this number to the next span."""
        self._next = span_id

    def generate_span_id(self) -> int:
        """See IdGenerator."""
        chosen, self._next = self._next, None
        return chosen if chosen is not None else super().generate_span_id()
