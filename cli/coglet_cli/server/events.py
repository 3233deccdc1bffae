"""Parser for server-sent events (WHATWG HTML, section 9.2). Does no I/O."""

from dataclasses import dataclass
from typing import Any

from coglet_cli.formats.strict_json import read_json


@dataclass(frozen=True)
class ServerEvent:
    """One event of a prediction's stream: its name and its JSON data."""

    name: str
    data: Any


class EventParser:
    """Collects lines of an event stream, without their newlines, into events."""

    def __init__(self) -> None:
        self._name = ""
        self._data: list[str] = []

    def feed(self, line: str) -> ServerEvent | None:
        """Return the event that `line` completes, if any. Raises ValueError if its data is not JSON."""
        if line:
            self._take_field(line)
            return None
        name, data = self._name, "\n".join(self._data)
        self._name, self._data = "", []
        return ServerEvent(name, read_json(data)) if data else None

    def _take_field(self, line: str) -> None:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
