"""Runs the server, and kills it before or after a transition is written: KILL_AT is `STEP:MOMENT`.

STEP is a method of SqliteStore, MOMENT `before` or `after`.
"""

import os
import signal
import sys
import time

from coglet_supervisor.command_line import main
from coglet_supervisor.predictions.record import NotRecorded
from coglet_supervisor.records.sqlite.writer import Write, Writer

# Time for everything that should wait for the write, and does not.
_PAUSE_S = 0.3

_commit = Writer._try_commit


def kill_at_step(writer: Writer, writes: list[Write]) -> NotRecorded | None:
    step, moment = os.environ["KILL_AT"].split(":")
    is_step = any(f".{step}." in write.apply.__qualname__ for write in writes)
    if is_step and moment == "before":
        time.sleep(_PAUSE_S)
        os.kill(os.getpid(), signal.SIGKILL)
    error = _commit(writer, writes)
    if is_step and moment == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    return error


if __name__ == "__main__":
    Writer._try_commit = kill_at_step  # type: ignore[assignment, method-assign]
    sys.exit(main(sys.argv[1:], "step_killer"))
