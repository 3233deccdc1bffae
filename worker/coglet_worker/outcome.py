"""The outcome of awaiting the author's code as a value, so that asyncio never handles the exception.

asyncio would end the shared loop for a SystemExit, and it inspects exception classes, which may misbehave.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """A result, or the exception that was raised."""

    result: Any = None
    error: BaseException | None = None

    def value(self) -> Any:
        """Return the result, or raise the exception."""
        if self.error is not None:
            raise self.error
        return self.result


async def outcome_of(awaitable: Any) -> Outcome:
    """Await and return the outcome; never raise."""
    try:
        return Outcome(result=await awaitable)
    except BaseException as error:  # noqa: BLE001 - the author's code; `value` re-raises it
        return Outcome(error=error)
