"""The model of the chaos runs: its input selects the misbehavior."""

import asyncio
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from cog import BaseRunner, CancelationException
from cog import Path as CogPath

LINE = "0123456789" * 10
GATE = Path("go-on")


class Runner(BaseRunner):
    def run(self, act: str, seconds: float, size: int) -> Any:
        if act == "hold":
            print("held", flush=True)
            while not GATE.exists():
                time.sleep(0.01)
        try:
            time.sleep(seconds)
        except CancelationException:
            if act != "deaf":
                raise
            time.sleep(3600)
        return do(act, size)


class AsyncRunner(BaseRunner):
    async def run(self, act: str, seconds: float, size: int) -> Any:
        if act == "hold":
            print("held", flush=True)
            while not GATE.exists():  # noqa: ASYNC110, ASYNC240 - the file is the test's signal
                await asyncio.sleep(0.01)
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            if act != "deaf":
                raise
            await asyncio.sleep(3600)
        return do(act, size)


def do(act: str, size: int) -> Any:
    """Perform an act and return its output."""
    match act:
        case "fail":
            raise RuntimeError("failed as asked")
        case "die":
            os.kill(os.getpid(), [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM][size % 3])
            time.sleep(1)
        case "exit":
            os._exit(size % 4)
        case "freeze":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "flood":
            print(f"{LINE}\n" * size, end="")
        case "large":
            return "x" * size * 1000
        case "stray":
            subprocess.Popen(["sleep", "3600"], start_new_session=True)
        case "file":
            return make_file(size)
    return act


def make_file(size: int) -> CogPath:
    """Return an output file of `size` kilobytes."""
    descriptor, name = tempfile.mkstemp(suffix=".bin")
    try:
        with open(descriptor, "wb") as file:
            file.write(b"x" * size * 1000)
    except OSError:  # the disk is full
        Path(name).unlink()
        raise
    return CogPath(name)
