"""Starts a server under test in a folder of its own, and kills whatever it leaves behind."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from testing.ports import HOST, reserved_port
from testing.waiting import wait_until

from bench.client import Connection, connect
from bench.environment import Environment, Side
from bench.errors import NoResult

MODELS: Final = Path(__file__).resolve().parent / "models"
_START_LIMIT_S: Final = 30.0
_FREE_LIMIT_S: Final = 30.0
_STOP_LIMIT_S: Final = 10.0
_SETTLED: Final = ("READY", "SETUP_FAILED", "DEFUNCT")


@dataclass(frozen=True)
class Server:
    """A running server whose model is ready."""

    side: Side
    port: int
    pid: int
    folder: Path
    """Its working directory, which holds the model."""
    ready_after_s: float
    """From just before exec to the first health check that says READY."""

    async def wait_free(self) -> None:
        """Wait until the server is READY with a free slot, after what a load generator left has ended."""
        async with connect(self.port) as connection:

            async def is_free() -> bool:
                return await _status(connection) == "READY"

            await wait_until(is_free, _FREE_LIMIT_S)


@asynccontextmanager
async def serve(
    environment: Environment, model: str, variables: Mapping[str, str] | None = None, *, reload: bool = False
) -> AsyncIterator[Server]:
    """Serve the model `models/<model>` from a temporary folder; after the block no process is left.

    With `reload`, by `cog serve --reload`, which only our side has.
    """
    with (
        tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as scratch,
        reserved_port() as port,
    ):
        folder = Path(scratch, "model")
        _lay_out(model, folder)
        settings = {"PORT": str(port), "COG_PREDICT_TYPE_STUB": "predict.py:Predictor", **(variables or {})}
        log_path = Path(scratch, "server.log")
        started_at = time.perf_counter()
        command = ["-m", "cog.server.http", "--host", HOST]
        if reload:
            (folder / "cog.yaml").write_text("predict: predict.py:Predictor\n")
            command = ["-m", "coglet_cli", "serve", "--reload", "-p", str(port)]
        process = await _spawn([str(environment.python), *command], environment, folder, log_path, settings)
        try:
            await _wait_ready(process, port, log_path)
            ready_after_s = time.perf_counter() - started_at
            yield Server(environment.side, port, process.pid, folder, ready_after_s)
        finally:
            await _stop(process)


def _lay_out(model: str, folder: Path) -> None:
    (folder / ".cog").mkdir(parents=True)
    shutil.copy(MODELS / model / "predict.py", folder / "predict.py")
    shutil.copy(MODELS / model / "openapi_schema.json", folder / ".cog" / "openapi_schema.json")


async def _spawn(
    command: Sequence[str],
    environment: Environment,
    folder: Path,
    log_path: Path,
    settings: Mapping[str, str],
) -> asyncio.subprocess.Process:
    with log_path.open("wb") as log:
        return await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=environment.variables(settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # A group of its own: Ctrl-C reaches the benchmark alone, which then stops its servers in order.
            start_new_session=True,
        )


async def _wait_ready(process: asyncio.subprocess.Process, port: int, log_path: Path) -> None:
    status = "no answer"

    async def has_settled() -> bool:
        nonlocal status
        # The connection is refused until the server listens.
        with suppress(ConnectionError):
            async with connect(port) as connection:
                status = await _status(connection)
        return status in _SETTLED or process.returncode is not None

    with suppress(TimeoutError):
        await wait_until(has_settled, _START_LIMIT_S)
    if status != "READY":
        state = "runs" if process.returncode is None else f"exited with {process.returncode}"
        raise NoResult(f"not READY (health: {status}; the server {state}){_tail(log_path)}")


async def _status(connection: Connection) -> str:
    return str((await connection.get("/health-check")).json()["status"])


def _tail(log_path: Path, lines: int = 5) -> str:
    last = log_path.read_text(errors="replace").splitlines()[-lines:]
    return "".join(f"\n    {line[:300]}" for line in last)


async def _stop(process: asyncio.subprocess.Process) -> None:
    """SIGTERM, then SIGKILL for whatever is left of its process group."""
    with suppress(ProcessLookupError):
        process.terminate()
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), _STOP_LIMIT_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
