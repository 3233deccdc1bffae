"""The model server of local mode: a child process in a session of its own, which never outlives its block."""

import asyncio
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

# Enough for the supervisor to take the model down in order; a model that hangs in C code is killed after it.
STOP_GRACE_S: Final = 5.0
_LOST_CONNECTION_GRACE_S: Final = 1.0
# Something that left the server's process group can hold its log open; nobody waits for that.
_LAST_LINES_S: Final = 1.0

T = TypeVar("T")


class ServerExited(UserError):
    """The model server ended before its work was done."""

    def __init__(self, returncode: int) -> None:
        super().__init__(f"Model server exited unexpectedly ({describe_exit(returncode)})")
        self.returncode = returncode


def describe_exit(returncode: int) -> str:
    """`exit code 3` or `killed by SIGSEGV`."""
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        return f"killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"killed by signal {-returncode}"


@dataclass(frozen=True)
class ServerCommand:
    """What to start: the supervisor, on the model in `folder`; who sees each line of its log."""

    folder: Path
    address: Address
    environment: Mapping[str, str]
    show_line: Callable[[str], None]
    upload_url: str | None = None
    is_training: bool = False

    @property
    def argv(self) -> list[str]:
        """The command line. `-P` keeps a `json.py` in the model's folder out of the server's imports."""
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
    """A running child. Made by `local_server`, which also ends it."""

    def __init__(self, process: asyncio.subprocess.Process, address: Address, log: ShownLines) -> None:
        self._process = process
        self._log = log
        self.address = address

    async def wait_exit(self) -> int:
        """The exit code, once the process has ended by itself."""
        return await self._process.wait()

    async def exited_within(self, seconds: float) -> bool:
        """Waits until the process ends, for that long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._process.wait()
        return self._process.returncode is not None

    async def while_starting(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`. Raises ServerExited or PortTaken as soon as the process ends before it."""
        return await unless_raised(self._raise_at_exit(), work)

    async def wait_setup_shown(self, report: Mapping[str, Any]) -> None:
        """See `RunningServer`."""
        await asyncio.to_thread(self._log.wait_setup, report, _LAST_LINES_S)

    async def _raise_at_exit(self) -> None:
        code = await self._process.wait()
        raise ServerExited(code) if self.address.is_free else PortTaken(self.address)

    async def explain_loss(self) -> None:
        """After a lost connection: raises ServerExited when the end of the process is the reason."""
        if await self.exited_within(_LOST_CONNECTION_GRACE_S):
            raise ServerExited(self._process.returncode or 0)

    def kill(self) -> None:
        """Ends the process and everything else in its group, now."""
        # PermissionError is what macOS says of a group that holds zombies only.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def stop(self) -> None:
        """Asks the process to end, waits, and kills whatever is left of its group."""
        try:
            if self._process.returncode is None:
                self._process.terminate()
                await self.exited_within(STOP_GRACE_S)
        finally:
            self.kill()
            await self._process.wait()


@asynccontextmanager
async def local_server(command: ServerCommand) -> AsyncIterator[LocalServer]:
    """Starts the server and gives it to the block; past the block no process of it is left.

    A session of its own keeps Ctrl-C on the terminal from reaching it: the command decides how it ends.
    """
    lines = ShownLines(command.show_line)
    with _line_pipe(lines.show) as log:
        process = await asyncio.create_subprocess_exec(
            *command.argv,
            cwd=command.folder,
            env=command.environment,
            stdin=asyncio.subprocess.PIPE,  # never written to: its end says that we were killed
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
    """A descriptor to write to; every line written there goes to `show_line`, the last ones too.

    That happens on a thread: the event loop stands still while httpx is imported, and a server
    whose log nobody reads drops it.
    """
    read_end, write_end = os.pipe()
    reader = threading.Thread(target=_read_lines, args=(read_end, show_line), daemon=True)
    reader.start()
    try:
        yield write_end
    finally:
        os.close(write_end)
        reader.join(_LAST_LINES_S)


def _read_lines(read_end: int, show_line: Callable[[str], None]) -> None:
    with open(read_end, "rb") as lines:
        for line in lines:
            show_line(line.decode("utf-8", "replace").rstrip("\r\n"))
