"""`Secret`: a string that is hidden when printed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Secret:
    """A string that prints as asterisks; `get_secret_value()` returns the plain text."""

    secret_value: str | None = None

    def __str__(self) -> str:
        return "" if self.secret_value is None else "**********"

    def __repr__(self) -> str:
        return f"Secret({self})"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def get_secret_value(self) -> str | None:
        """Return the plain text."""
        return self.secret_value
