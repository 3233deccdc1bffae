"""The `Prefer` header: how long a client waits for its response."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Preference:
    """The parsed `Prefer` header. `wait_s` limits how long a response may take."""

    is_async: bool = False
    wait_s: float | None = None

    @classmethod
    def parse(cls, value: str | None) -> Preference:
        """Parse a comma-separated list, ignoring case and unknown preferences (RFC 7240)."""
        if value is None:
            return _NO_PREFERENCE
        parts = {part.split(";")[0].strip().lower() for part in value.split(",")}
        waits = [
            int(match[1]) for part in parts if (match := re.fullmatch(r'wait\s*=\s*"?(\d{1,9})"?', part))
        ]
        return cls("respond-async" in parts, float(min(waits)) if waits else None)


_NO_PREFERENCE: Final = Preference()
