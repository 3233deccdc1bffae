"""File descriptors of the worker: those of the supervisor's channels, and those that the model may use.

The process starts with the control channel on 0 and 1. It moves both to private close-on-exec descriptors, so
that neither the model nor its children can read or write them by accident, and gives the model `/dev/null` as
stdin and a pipe each as stdout and stderr (see `coglet_worker.capture`).
"""

import contextlib
import fcntl
import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

STDIN, STDOUT, STDERR = 0, 1, 2

_PIPE_BYTES: Final = 1024 * 1024  # the default maximum of Linux for unprivileged users

# Above the range that daemon idioms close ("everything from 3 to 100", "to 255").
_FIRST_PRIVATE: Final = 256


@dataclass(frozen=True)
class Descriptors:
    """What `take_over` leaves: the control channel, and the read ends of the capture pipes."""

    control_in: int
    control_out: int
    captured_stdout: int
    captured_stderr: int

    def close_in_child(self) -> None:
        """Close them in a forked child of the model, which must not hold the supervisor's channels open."""
        for descriptor in (self.control_in, self.control_out, self.captured_stdout, self.captured_stderr):
            os.close(descriptor)


def private_duplicate(descriptor: int) -> int:
    """Return a close-on-exec duplicate above the range of the model's own descriptors."""
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _first_private())


@contextlib.contextmanager
def private_numbers() -> Iterator[None]:
    """Give private numbers to descriptors opened within the block: a selector's cannot be moved later."""
    first = _first_private()
    taken = [os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)]
    try:
        while taken[-1] < first - 1:
            taken.append(os.dup(taken[-1]))
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)


def _first_private() -> int:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    # macOS starts processes with a limit of 256; others may have none, which is -1.
    return min(_FIRST_PRIVATE, limit // 2) if limit > 0 else _FIRST_PRIVATE


def take_over() -> Descriptors:
    """Move the control channel away from 0 and 1; put `/dev/null` on 0 and capture pipes on 1 and 2."""
    control_in, control_out = private_duplicate(STDIN), private_duplicate(STDOUT)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, STDIN)
    os.close(null)
    return Descriptors(
        control_in=control_in,
        control_out=control_out,
        captured_stdout=_pipe_into(STDOUT),
        captured_stderr=_pipe_into(STDERR),
    )


def _enlarge(pipe: int) -> None:
    """Raise the capacity of a pipe: the kernel splits a write of more than a page when the pipe is full."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # the user's limit for pipe memory is reached
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _pipe_into(target: int) -> int:
    """Replace `target` by the write end of a new pipe. Return the read end."""
    read_end, write_end = os.pipe()
    _enlarge(write_end)
    os.dup2(write_end, target)
    os.close(write_end)
    private = private_duplicate(read_end)
    os.close(read_end)
    os.set_blocking(private, False)
    return private
