"""What came of awaiting the author's code, as a value: asyncio never meets the exception.

It would end the shared loop for a SystemExit, and looks into classes that may be odd.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """A result, or what was raised."""

    result: Any = None
    error: BaseException | None = None

    def value(self) -> Any:
        """The result. Raises what was raised."""
        if self.error is not None:
            raise self.error
        return self.result


async def outcome_of(awaitable: Any) -> Outcome:
    """Awaits and never raises."""
    try:
        return Outcome(result=await awaitable)
    except BaseException as error:  # noqa: BLE001 - the author's code; `value` raises it again
        return Outcome(error=error)
