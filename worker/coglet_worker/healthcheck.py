"""The model's own health check, run outside the thread that predicts, with a time limit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from coglet_protocol.control import Healthcheck, HealthcheckResult
from coglet_protocol.limits import cut_text
from coglet_worker.error_text import describe
from coglet_worker.model import Model
from coglet_worker.outcome import Outcome, outcome_of
from coglet_worker.running import LogTarget, log_target

if TYPE_CHECKING:
    import asyncio  # imported where it is used: a sync model never needs it

TIMEOUT_S: Final = 5.0
_LOOP_MARGIN_S: Final = 1.0


class _TimedOut(Exception):
    """A class of our own, because the author's check may raise TimeoutError itself."""


class HealthChecker:
    """Answers Healthcheck messages. A check that hangs blocks only its own thread."""

    def __init__(
        self,
        model: Model,
        loop: asyncio.AbstractEventLoop | None,
        reply: Callable[[HealthcheckResult], None],
        log: LogTarget,
    ) -> None:
        self._check = model.healthcheck
        self._loop = loop
        self._reply = reply
        self._log = log

    def start(self, message: Healthcheck) -> None:
        """Start the check; its result is sent when it ends. For the control thread."""
        if self._check is None:
            self._reply(HealthcheckResult(id=message.id, status="healthy"))
            return
        threading.Thread(
            target=self._answer, args=(message.id, self._check), name="cog-healthcheck", daemon=True
        ).start()

    def _answer(self, check_id: str, check: Callable[[], Any]) -> None:
        log_target.set(self._log)  # not the log of a prediction that runs at the same time
        problem = self._run(check)
        if problem is None:
            self._reply(HealthcheckResult(id=check_id, status="healthy"))
        else:
            error = cut_text(f"Healthcheck failed: {problem}")
            self._reply(HealthcheckResult(id=check_id, status="unhealthy", error=error))

    def _run(self, check: Callable[[], Any]) -> str | None:
        try:
            result = _call_with_limit(check)
            if hasattr(result, "__await__"):
                result = self._await(result)
        except _TimedOut:
            return f"user-defined healthcheck timed out after {TIMEOUT_S:.1f} seconds"
        except BaseException as error:  # noqa: BLE001 - the author's code; sys.exit() is a failed check
            return describe(error)
        return "user-defined healthcheck returned False" if result is False else None

    def _await(self, awaitable: Any) -> Any:
        import asyncio
        import concurrent.futures

        if self._loop is None:
            return asyncio.run(_await_with_limit(awaitable)).value()
        future = asyncio.run_coroutine_threadsafe(_await_with_limit(awaitable), self._loop)
        concurrent.futures.wait([future], TIMEOUT_S + _LOOP_MARGIN_S)
        if not future.done():  # the loop itself is blocked
            future.cancel()
            raise _TimedOut
        return future.result().value()


async def _await_with_limit(awaitable: Any) -> Outcome:
    import asyncio

    task = asyncio.get_running_loop().create_task(outcome_of(awaitable))
    done, _ = await asyncio.wait([task], timeout=TIMEOUT_S)
    if not done:
        task.cancel()
        raise _TimedOut
    return task.result()


def _call_with_limit(check: Callable[[], Any]) -> Any:
    """Call a check that may never return. Raises _TimedOut, or what the check raised."""
    outcome: list[Any] = []
    failure: list[BaseException] = []

    def call() -> None:
        try:
            outcome.append(check())
        except BaseException as error:  # noqa: BLE001 - re-raised in the thread that waits
            failure.append(error)

    thread = threading.Thread(target=call, name="cog-healthcheck-call", daemon=True)
    thread.start()
    thread.join(TIMEOUT_S)
    if failure:
        raise failure[0]
    if not outcome:
        raise _TimedOut
    return outcome[0]
