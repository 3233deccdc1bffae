"""Whether a prediction is accepted, which it is once the store has written its record."""

import asyncio

from coglet_supervisor.predictions.record import NotRecorded


class Acceptance:
    """Pending until `decide` is called, once."""

    def __init__(self) -> None:
        self._is_decided = False
        self._refusal: NotRecorded | None = None
        self._waiting: asyncio.Future[None] | None = None

    @property
    def is_granted(self) -> bool:
        """True once the record is written."""
        return self._is_decided and self._refusal is None

    def decide(self, refusal: NotRecorded | None) -> None:
        """Grant it, or refuse it for a reason."""
        self._is_decided = True
        self._refusal = refusal
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def wait(self) -> None:
        """Wait until it is decided. Raises NotRecorded if it is refused."""
        if not self._is_decided:
            if self._waiting is None:
                self._waiting = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._waiting)
        if self._refusal is not None:
            raise self._refusal
