"""What `cog serve` does: keep a model's server in the foreground until it is told to stop."""

import asyncio
import ipaddress
import os
import signal
from dataclasses import dataclass
from typing import Final

from coglet_cli.errors import Interrupted, UserError
from coglet_cli.interrupts import Interrupts, run_interruptible
from coglet_cli.local_model import LocalModel, LocalOptions, load_local_model, server_environment
from coglet_cli.schema_source import prepare_schema
from coglet_cli.server.local import (
    LocalServer,
    PortTaken,
    ServerCommand,
    ServerExited,
    free_port,
    is_free,
    local_server,
    url_host,
)
from coglet_cli.terminal import Terminal

# What a server listens on when it should be reached from everywhere.
_ANY_ADDRESS: Final = ("0.0.0.0", "::")


@dataclass(frozen=True)
class ServeOptions:
    """The flags of `cog serve`; `host` is an IP address."""

    local: LocalOptions
    host: str
    port: int
    upload_url: str | None = None


def parse_host(text: str) -> str:
    """The IP address to listen on, without brackets. Raises UserError for a name."""
    host = "127.0.0.1" if text == "localhost" else text.removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        raise UserError(
            f"--host {text} is not an IP address", hint="use 127.0.0.1, or 0.0.0.0 for every network"
        ) from None


def run_server(options: ServeOptions, terminal: Terminal) -> None:
    """Serves until Ctrl-C, a shutdown request or a failure. Raises UserError for the last."""
    model = load_local_model(options.local.file, terminal)
    prepare_schema(model.project, model.config, terminal)
    command = _command(model, options)
    if not is_free(command.host, command.port):
        raise PortTaken(command.host, command.port)
    try:
        run_interruptible(lambda interrupts: _serve(command, interrupts, terminal))
    except Interrupted as stopped:
        # Ctrl-C is how a server in the foreground is meant to end.
        if stopped.signal_number != signal.SIGINT:
            raise


def _command(model: LocalModel, options: ServeOptions) -> ServerCommand:
    port = options.port or free_port(options.host)
    environment = server_environment(model, options.local, port, os.environ)
    return ServerCommand(model.project.folder, options.host, port, environment, options.upload_url)


async def _serve(command: ServerCommand, interrupts: Interrupts, terminal: Terminal) -> None:
    terminal.info(f"Starting {command.environment['COG_PREDICT_TYPE_STUB']} in {command.folder}...")
    async with local_server(command) as server:
        interrupts.on_second = server.kill
        try:
            await _report_start(server, command, terminal)
            returncode = await server.wait_exit()
        except asyncio.CancelledError:
            terminal.info("Stopping the server... (Ctrl-C again to kill it)")
            raise
    if returncode != 0:
        raise ServerExited(returncode)


async def _report_start(server: LocalServer, command: ServerCommand, terminal: Terminal) -> None:
    # Imported while the server starts, which takes longer.
    from coglet_cli.server.client import ModelClient
    from coglet_cli.server.readiness import SetupFailed, wait_listening, wait_set_up

    # The unspecified address is one to listen on, not one to connect to.
    reachable = "localhost" if command.host in _ANY_ADDRESS else url_host(command.host)
    async with ModelClient(f"http://{reachable}:{command.port}") as client:
        await wait_listening(server, client)
        terminal.info(f"Serving at {describe_address(command.host, command.port)}")
        try:
            await wait_set_up(server, client)
            terminal.info("The model is ready")
        except SetupFailed as failure:
            # The server stays, as it does in a container: its health check tells what happened.
            terminal.error(failure.message, failure.hint)


def describe_address(host: str, port: int) -> str:
    """The URL to open, with the one for this machine beside it when the server is open to others."""
    local = f"http://localhost:{port}"
    if host in ("127.0.0.1", "::1"):
        return local
    own = f"http://{url_host(host)}:{port}"
    return f"{own} ({local})" if host in _ANY_ADDRESS else own
