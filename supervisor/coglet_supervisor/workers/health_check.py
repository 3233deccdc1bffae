"""The model's own health check, which runs in the worker. Concurrent requests share one run."""

import asyncio
from collections.abc import Callable
from typing import Final

from coglet_protocol import control

TIMEOUT_S: Final = 10.0


class HealthCheck:
    """Runs the health check of one worker. `send` sends a message to it; `timeout_s` limits each check."""

    def __init__(self, send: Callable[[control.ToWorker], None], *, timeout_s: float = TIMEOUT_S) -> None:
        self._send = send
        self._timeout_s = timeout_s
        self._running: asyncio.Future[str | None] | None = None
        self._count = 0

    async def run(self) -> str | None:
        """Run the check, or join a running one. Return the problem that it finds, or None."""
        if self._running is None:
            self._count += 1
            self._running = asyncio.get_running_loop().create_future()
            self._send(control.Healthcheck(id=self._id))
        check = self._running
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.shield(check)
        except TimeoutError:
            if self._running is check:
                self._running = None
            return "healthcheck timed out"

    def receive(self, message: control.HealthcheckResult) -> None:
        """Handle the worker's result. A result that arrives after the time limit is ignored."""
        if self._running is None or message.id != self._id:
            return
        if not self._running.done():
            self._running.set_result(message.error if message.status == "unhealthy" else None)
        self._running = None

    def fail(self, reason: str) -> None:
        """End a running check with a problem: the worker is lost because of `reason`."""
        if self._running is not None and not self._running.done():
            self._running.set_result(f"Healthcheck error: {reason}")

    @property
    def _id(self) -> str:
        return f"hc_{self._count}"
