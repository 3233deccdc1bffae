"""The model server of local mode: a child process in a session of its own, which never outlives its block."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coglet_cli.errors import UserError

# Enough for the supervisor to take the model down in order; a model that hangs in C code is killed after it.
STOP_GRACE_S: Final = 5.0
_LOST_CONNECTION_GRACE_S: Final = 1.0
_STDERR: Final = 2


class ServerExited(UserError):
    """The model server ended before its work was done."""

    def __init__(self, returncode: int) -> None:
        super().__init__(f"Model server exited unexpectedly ({describe_exit(returncode)})")
        self.returncode = returncode


class PortTaken(UserError):
    """Somebody else listens where the server should."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"port {port} on {host} is already in use", hint="choose another port with -p")


def url_host(host: str) -> str:
    """An IP address as it stands in a URL: in brackets when it has colons."""
    return f"[{host}]" if ":" in host else host


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
    """What to start: the supervisor, on the model in `folder`."""

    folder: Path
    host: str
    port: int
    environment: Mapping[str, str]
    upload_url: str | None = None

    @property
    def argv(self) -> list[str]:
        """The command line. `-P` keeps a `json.py` in the model's folder out of the server's imports."""
        upload = ["--upload-url", self.upload_url] if self.upload_url else []
        return [sys.executable, "-P", "-m", "coglet_supervisor", "--host", url_host(self.host), *upload]


class LocalServer:
    """A running child. Made by `local_server`, which also ends it."""

    def __init__(self, process: asyncio.subprocess.Process, command: ServerCommand) -> None:
        self._process = process
        self._command = command

    async def wait_exit(self) -> int:
        """The exit code, once the process has ended by itself."""
        return await self._process.wait()

    async def exited_within(self, seconds: float) -> bool:
        """Waits until the process ends, for that long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._process.wait()
        return self._process.returncode is not None

    def raise_exited(self) -> None:
        """Raises PortTaken when that explains why the process ended, else ServerExited."""
        if not is_free(self._command.host, self._command.port):
            raise PortTaken(self._command.host, self._command.port)
        raise ServerExited(self._process.returncode or 0)

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

    What it writes goes to our stderr, line by line as it comes. A session of its own keeps Ctrl-C on
    the terminal from reaching it: the command decides how it ends.
    """
    process = await asyncio.create_subprocess_exec(
        *command.argv,
        cwd=command.folder,
        env=command.environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=_STDERR,
        start_new_session=True,
    )
    server = LocalServer(process, command)
    try:
        yield server
    finally:
        await server.stop()


def is_free(host: str, port: int) -> bool:
    """True when a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections linger in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str) -> int:
    """A port on which nobody listens; another program may take it before we do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port
