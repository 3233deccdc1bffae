"""All workers of a server as one: the state and the health of the model."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from coglet_supervisor.health import Setup, State
from coglet_supervisor.workers.report import WorkerReport
from coglet_supervisor.workers.seat import WorkerSeat
from coglet_supervisor.workers.spec import WorkerSpec

# The state of the server is the best state of a seat: one ready worker can serve.
_BEST_FIRST: Final[tuple[State, ...]] = ("READY", "STARTING", "SETUP_FAILED", "DEFUNCT")
_GIVEN_UP: Final[tuple[State, ...]] = ("SETUP_FAILED", "DEFUNCT")


class WorkerSupervisor:
    """Runs and stops all seats."""

    def __init__(self, seats: Sequence[WorkerSeat]) -> None:
        self._seats = seats

    @property
    def state(self) -> State:
        states = {seat.state for seat in self._seats}
        return next((state for state in _BEST_FIRST if state in states), "UNKNOWN")

    @property
    def setup(self) -> Setup | None:
        """The setup of a seat whose state is that of the server."""
        state = self.state
        return next((seat.setup for seat in self._seats if seat.state == state), None)

    @property
    def restarts(self) -> int:
        """The number of workers that died and were replaced."""
        return sum(seat.restarts for seat in self._seats)

    @property
    def reports(self) -> list[WorkerReport]:
        """The state of each seat, in the order of their numbers."""
        return [seat.report for seat in self._seats]

    async def run(self, on_given_up: Callable[[], None]) -> None:
        """Keep a worker running in every seat; call `on_given_up` when no seat tries any longer.

        A reload makes it try again, so that with a model this does not return.
        """
        async with asyncio.TaskGroup() as tasks:
            for seat in self._seats:
                tasks.create_task(self._run_seat(seat, on_given_up))
        on_given_up()

    async def _run_seat(self, seat: WorkerSeat, on_given_up: Callable[[], None]) -> None:
        while True:
            await seat.run()
            if self.state in _GIVEN_UP:
                on_given_up()
            await seat.wait_revived()

    async def stop(self, grace_s: float) -> None:
        """Shut down all workers concurrently and gracefully; kill them after `grace_s`."""
        async with asyncio.TaskGroup() as tasks:
            for seat in self._seats:
                tasks.create_task(seat.stop(grace_s))

    @property
    def pids(self) -> set[int]:
        """The process ids of all workers."""
        return {pid for seat in self._seats for pid in seat.pids}

    @property
    def is_starting_a_process(self) -> bool:
        """True while there may be a process of ours that is not among `pids` yet."""
        return any(seat.is_starting_a_process for seat in self._seats)

    async def wait_ready(self) -> None:
        """Wait until the first worker is ready. Does not return if none becomes ready."""
        async with asyncio.TaskGroup() as tasks:
            waiting = [tasks.create_task(seat.wait_ready()) for seat in self._seats]
            if waiting:
                await asyncio.wait(waiting, return_when="FIRST_COMPLETED")
            for task in waiting:
                task.cancel()

    async def wait_retired(self) -> None:
        """Wait until the workers that were replaced have ended their predictions and exited."""
        for seat in self._seats:
            await seat.wait_retired()

    async def reload(self, specs: Sequence[WorkerSpec], *, is_urgent: bool = False) -> str | None:
        """Replace the workers by those with `specs`; return None once those serve, or why one does not.

        One after the other, so that at most one additional worker is in memory, and until the first failure.
        With `is_urgent`, workers that are still being set up are not waited for.
        """
        for index, (seat, spec) in enumerate(zip(self._seats, specs, strict=True)):
            await self.wait_retired()
            if problem := await seat.reload(spec, is_urgent=is_urgent):
                if index:  # others serve the new version: a later restart must not bring the old one back
                    for each, its_spec in zip(self._seats[index:], specs[index:], strict=True):
                        each.start_next_with(its_spec)
                return problem
        return None

    def abandon_reload(self) -> None:
        """Do not wait for the setups of a reload that is running, because there is newer code."""
        for seat in self._seats:
            seat.abandon_reload()

    def kill(self) -> None:
        """Kill all worker processes."""
        for seat in self._seats:
            seat.kill()

    async def check_user_health(self) -> str | None:
        """Run the health checks of the model; return the first problem found, or None."""
        for seat in self._seats:
            if problem := await seat.check_user_health():
                return problem
        return None
