"""The model server of local mode: a child process in its own session, killed at the end of its block."""

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from coglet_cli.errors import UserError
from coglet_cli.server.address import Address, PortTaken, bracketed
from coglet_cli.server.log import ShownLines
from coglet_cli.server.running import unless_raised

# Enough for the supervisor to stop the model cleanly; a model that hangs in C code is killed after it.
STOP_GRACE_S: Final = 5.0
_LOST_CONNECTION_GRACE_S: Final = 1.0
# A limit, because a process that left the server's process group can keep its log open.
_LOG_DRAIN_S: Final = 1.0

T = TypeVar("T")


class ServerExited(UserError):
    """The model server exited before its work was done."""

    def __init__(self, returncode: int) -> None:
        super().__init__(f"Model server exited unexpectedly ({describe_exit(returncode)})")
        self.returncode = returncode


def describe_exit(returncode: int) -> str:
    """Return `exit code 3` or `killed by SIGSEGV`; `returncode` is that of subprocess."""
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        return f"killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"killed by signal {-returncode}"


@dataclass(frozen=True)
class ServerCommand:
    """What to start: the supervisor for the model in `folder`; `show_line` gets each line of its log."""

    folder: Path
    address: Address
    environment: Mapping[str, str]
    show_line: Callable[[str], None]
    upload_url: str | None = None
    is_training: bool = False

    @property
    def argv(self) -> list[str]:
        """The command line. `-P` prevents the server from importing a `json.py` in the model's folder."""
        upload = ["--upload-url", self.upload_url] if self.upload_url else []
        mode = ["--x-mode", "train"] if self.is_training else []
        host = bracketed(self.address.host)
        return [
            *(sys.executable, "-P", "-m", "coglet_supervisor"),
            *("--exit-with-stdin", "--host", host),
            *upload,
            *mode,
        ]


class LocalServer:
    """A running server process. `local_server` starts and stops it."""

    def __init__(self, process: asyncio.subprocess.Process, address: Address, log: ShownLines) -> None:
        self._process = process
        self._log = log
        self.address = address

    async def wait_exit(self) -> int:
        """Wait until the process exits and return its exit code."""
        return await self._process.wait()

    async def exited_within(self, seconds: float) -> bool:
        """Wait at most `seconds` for the process to exit. Return True if it has exited."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._process.wait()
        return self._process.returncode is not None

    async def while_starting(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of `work`. Raises ServerExited or PortTaken if the process exits before it."""
        return await unless_raised(self._raise_at_exit(), work)

    async def wait_setup_shown(self, report: Mapping[str, Any]) -> None:
        """See `RunningServer`."""
        await asyncio.to_thread(self._log.wait_setup, report, _LOG_DRAIN_S)

    async def _raise_at_exit(self) -> None:
        code = await self._process.wait()
        raise ServerExited(code) if self.address.is_free else PortTaken(self.address)

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send a message about a reload, see `coglet_supervisor.reloader`."""
        assert self._process.stdin is not None
        with suppress(ConnectionError):  # it has exited, which `wait_exit` reports
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            await self._process.stdin.drain()

    async def explain_loss(self) -> None:
        """Raise ServerExited if the exit of the process explains a lost connection."""
        if await self.exited_within(_LOST_CONNECTION_GRACE_S):
            raise ServerExited(self._process.returncode or 0)

    def kill(self) -> None:
        """Kill the process and everything else in its group."""
        # macOS raises PermissionError for a group with only zombies.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def stop(self) -> None:
        """Terminate the process, wait for STOP_GRACE_S, and kill what is left of its group."""
        try:
            if self._process.returncode is None:
                self._process.terminate()
                await self.exited_within(STOP_GRACE_S)
        finally:
            self.kill()
            await self._process.wait()


@asynccontextmanager
async def local_server(command: ServerCommand) -> AsyncIterator[LocalServer]:
    """Start a server for the block and stop all its processes afterwards.

    It has its own session, so that Ctrl-C on the terminal does not reach it: the command stops it in order.
    """
    lines = ShownLines(command.show_line)
    with _line_pipe(lines.show) as log:
        process = await asyncio.create_subprocess_exec(
            *command.argv,
            cwd=command.folder,
            env=command.environment,
            stdin=asyncio.subprocess.PIPE,  # EOF means that we were killed
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        server = LocalServer(process, command.address, lines)
        try:
            yield server
        finally:
            await server.stop()


@contextmanager
def _line_pipe(show_line: Callable[[str], None]) -> Iterator[int]:
    """Yield a descriptor; every line written to it is passed to `show_line`, including the last ones.

    A thread reads them: the event loop is blocked while httpx is imported, and the server drops log lines
    that are not read in time.
    """
    read_end, write_end = os.pipe()
    reader = threading.Thread(target=_read_lines, args=(read_end, show_line), daemon=True)
    reader.start()
    try:
        yield write_end
    finally:
        os.close(write_end)
        reader.join(_LOG_DRAIN_S)


def _read_lines(read_end: int, show_line: Callable[[str], None]) -> None:
    with open(read_end, "rb") as lines:
        for line in lines:
            show_line(line.decode("utf-8", "replace").rstrip("\r\n"))
