"""All workers of a server, seen as one: which state the model is in, and whether it is well."""

import asyncio
from collections.abc import Sequence
from typing import Final

from coglet_supervisor.health import Setup, State
from coglet_supervisor.workers.seat import WorkerSeat

# The state of the whole is the best state of a part: one ready worker serves.
_BEST_FIRST: Final[tuple[State, ...]] = ("READY", "STARTING", "SETUP_FAILED", "DEFUNCT")


class WorkerSupervisor:
    """Runs and stops the seats together."""

    def __init__(self, seats: Sequence[WorkerSeat]) -> None:
        self._seats = seats

    @property
    def state(self) -> State:
        states = {seat.state for seat in self._seats}
        return next((state for state in _BEST_FIRST if state in states), "UNKNOWN")

    @property
    def setup(self) -> Setup | None:
        """The setup that tells most about the state."""
        state = self.state
        return next((seat.setup for seat in self._seats if seat.state == state), None)

    @property
    def restarts(self) -> int:
        """How many workers died and were replaced."""
        return sum(seat.restarts for seat in self._seats)

    async def run(self) -> None:
        """Keeps every seat filled."""
        async with asyncio.TaskGroup() as tasks:
            for seat in self._seats:
                tasks.create_task(seat.run())

    async def stop(self, grace_s: float) -> None:
        """Ends all workers at the same time; what they run may end within `grace_s`."""
        async with asyncio.TaskGroup() as tasks:
            for seat in self._seats:
                tasks.create_task(seat.stop(grace_s))

    @property
    def pids(self) -> set[int]:
        """The processes that are ours to wait for."""
        return {pid for seat in self._seats for pid in seat.pids}

    @property
    def is_starting_a_process(self) -> bool:
        """True while there may be a process of ours that is not among `pids` yet."""
        return any(seat.is_starting_a_process for seat in self._seats)

    async def wait_ready(self) -> None:
        """Returns when the first worker is ready; never when none will be."""
        async with asyncio.TaskGroup() as tasks:
            waiting = [tasks.create_task(seat.wait_ready()) for seat in self._seats]
            if waiting:
                await asyncio.wait(waiting, return_when="FIRST_COMPLETED")
            for task in waiting:
                task.cancel()

    async def reload(self) -> None:
        """Replaces the workers one after the other, so that at most one more than usual is in memory."""
        for seat in self._seats:
            await seat.reload()

    def kill(self) -> None:
        """Leaves no process behind, whatever happened."""
        for seat in self._seats:
            seat.kill()

    async def check_user_health(self) -> str | None:
        """The first problem that a model's own check finds, or None."""
        for seat in self._seats:
            if problem := await seat.check_user_health():
                return problem
        return None
