"""The process group of a worker, which a model may leave, for example by starting its own session."""

import contextlib
import os
import signal
import subprocess


class ProcessGroup:
    """The process group of a child; after its exit, the last known one."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._id = process.pid

    def find(self) -> None:
        """Update the group from the running child."""
        with contextlib.suppress(ProcessLookupError):
            if self._process.returncode is None:  # otherwise its pid may have been reused
                self._id = os.getpgid(self._process.pid)

    def kill(self) -> None:
        """Kill the child and all processes of its group, unless that is the supervisor's own group."""
        self.find()
        # macOS raises PermissionError if the group has only zombies.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._id != os.getpgrp():  # otherwise the model has moved to the supervisor's group
                os.killpg(self._id, signal.SIGKILL)
        self._process.kill()  # it may have changed its group in the meantime
