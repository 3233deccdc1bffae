"""Waiting for the end of a child process, and saying in words why it ended."""

import asyncio
import os
import signal
import subprocess
import threading


async def wait_exit(process: "subprocess.Popen[bytes]") -> int:
    """Returns the exit code when the process itself has ended, whoever still holds its pipes.

    A child that the model has forked keeps pipes and sockets open, so their EOF tells nothing.
    """
    if process.poll() is not None:  # and reaped, so that its pid may be another process by now
        return process.wait()
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def report() -> None:
        if not ended.done():
            ended.set_result(None)

    descriptor = _pidfd(process.pid)
    if descriptor is not None:
        loop.add_reader(descriptor, report)
        try:
            await ended
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
    else:
        # A thread waits, as nothing else tells of one process.
        def wait() -> None:
            process.wait()
            loop.call_soon_threadsafe(report)

        threading.Thread(target=wait, name="wait-exit", daemon=True).start()
        await ended
    return process.wait()


def _pidfd(pid: int) -> int | None:
    """A descriptor that is readable when the process has ended; None on macOS, and when none is left."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def describe_exit(code: int, *, out_of_memory: bool | None = None) -> str:
    """Why a process ended, for the people who lost a prediction by it.

    `out_of_memory`: whether the kernel has killed somebody for want of memory; None where that is not known.
    """
    if code >= 0:
        return f"exited with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hints = {True: ", out of memory", None: ", perhaps out of memory", False: ""}
    return f"was killed by {name}{hints[out_of_memory] if -code == signal.SIGKILL else ''}"
