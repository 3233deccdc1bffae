"""The process group of a worker, which the model may leave, as for a session of its own."""

import contextlib
import os
import signal
import subprocess


class ProcessGroup:
    """The group that a child is in; after its end, the last one that was seen."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._id = process.pid

    def find(self) -> None:
        """Sees where the child is now."""
        with contextlib.suppress(ProcessLookupError):
            if self._process.returncode is None:  # else its number may be that of another process
                self._id = os.getpgid(self._process.pid)

    def kill(self) -> None:
        """Kills the child and all that is in its group."""
        self.find()
        # PermissionError is what macOS says of a group that holds zombies only.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._id != os.getpgrp():  # else the model has moved to ours
                os.killpg(self._id, signal.SIGKILL)
        self._process.kill()  # it may have moved on meanwhile
