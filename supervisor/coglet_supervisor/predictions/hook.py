"""The webhook that a client asks for."""

import msgspec


class Hook(msgspec.Struct, frozen=True):
    """Which events of a prediction to send to `url`, with the headers `trace`."""

    url: str
    events: tuple[str, ...]
    trace: dict[str, str] = {}

    @property
    def wants_end(self) -> bool:
        """True if the terminal state is to be sent."""
        return "completed" in self.events
