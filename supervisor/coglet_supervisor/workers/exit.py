"""Waiting for a child process to exit, and describing its exit status."""

import asyncio
import os
import signal
import subprocess
import threading


async def wait_exit(process: "subprocess.Popen[bytes]") -> int:
    """Wait until the process itself has exited, and return its exit code.

    EOF of its pipes and sockets is not enough: a child process of the model may keep them open.
    """
    if process.poll() is not None:  # already reaped, so its pid may have been reused
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
        # Without a pidfd, only a blocking wait in a thread is left.
        def wait() -> None:
            process.wait()
            loop.call_soon_threadsafe(report)

        threading.Thread(target=wait, name="wait-exit", daemon=True).start()
        await ended
    return process.wait()


def _pidfd(pid: int) -> int | None:
    """Return a descriptor that is readable once the process exits; None on macOS, and without descriptors."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def describe_exit(code: int, *, out_of_memory: bool | None = None) -> str:
    """Return why a process exited, as the end of a sentence, for the clients of its predictions.

    `code` is the exit code, or the negative number of a signal. `out_of_memory`: whether the OOM killer was
    active in its control group; None where that is unknown.
    """
    if code >= 0:
        return f"exited with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hints = {True: ", out of memory", None: ", perhaps out of memory", False: ""}
    return f"was killed by {name}{hints[out_of_memory] if -code == signal.SIGKILL else ''}"
