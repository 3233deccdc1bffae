"""Runs the server, and kills it before or after a step: KILL_AT is `STEP:MOMENT`.

STEP is a method of SqliteStore, or `write_file` or `remove_files`; MOMENT is `before` or `after`.
"""

import os
import signal
import sys
import time
from collections.abc import Collection

from coglet_supervisor.command_line import main
from coglet_supervisor.predictions.record import NotRecorded
from coglet_supervisor.records.sqlite.files import Files
from coglet_supervisor.records.sqlite.writer import Write, Writer

# Time for everything that should wait for the write, and does not.
_PAUSE_S = 0.3

_commit = Writer._try_commit
_write_file = Files.write
_remove_files = Files.remove


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


def kill_at_file(files: Files, name: str, content: bytes | memoryview) -> None:
    kill_at("write_file:before")
    _write_file(files, name, content)
    kill_at("write_file:after")


def kill_at_removal(files: Files, names: Collection[str]) -> None:
    if names:
        kill_at("remove_files:before")
    _remove_files(files, names)


def kill_at(step: str) -> None:
    if os.environ["KILL_AT"] == step:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    Files.write = kill_at_file  # type: ignore[assignment, method-assign]
    Files.remove = kill_at_removal  # type: ignore[assignment, method-assign]
    Writer._try_commit = kill_at_step  # type: ignore[assignment, method-assign]
    sys.exit(main(sys.argv[1:], "step_killer"))
