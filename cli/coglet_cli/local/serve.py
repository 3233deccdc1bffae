"""`cog serve` on this machine: a model's server in the foreground."""

import asyncio
import signal
from dataclasses import dataclass, replace

from coglet_cli.errors import Interrupted
from coglet_cli.interrupts import Interrupts, run_interruptible
from coglet_cli.local.model import LocalOptions, server_command, with_interpreter
from coglet_cli.local.process import ServerCommand, ServerExited, local_server
from coglet_cli.playground.command import page_beside
from coglet_cli.playground.server import PlaygroundOptions
from coglet_cli.project.model import load_local_model
from coglet_cli.project.schema import prepare_schema
from coglet_cli.server.address import Address, PortTaken, free_address
from coglet_cli.server.running import RunningServer
from coglet_cli.terminal import Terminal


@dataclass(frozen=True)
class ServeOptions:
    """The flags of `cog serve`; `host` is an IP address, `page` the playground to serve as well, if any.

    `queue` and `records` are None for the defaults of the server.
    """

    local: LocalOptions
    host: str
    port: int
    upload_url: str | None = None
    page: PlaygroundOptions | None = None
    queue: int | None = None
    records: str | None = None

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of the server; flags take precedence over `-e` and cog.yaml."""
        variables = {}
        if self.queue is not None:
            variables["COG_QUEUE_SIZE"] = str(self.queue)
        if self.records is not None:
            variables["COG_RECORDS"] = self.records
        return variables


def run_server(options: ServeOptions, terminal: Terminal) -> None:
    """Serve until Ctrl-C or a shutdown request. Raises UserError if the server cannot start or fails."""
    model = load_local_model(options.local.file, terminal)
    prepare_schema(model.project, model.config, terminal)
    address = Address(options.host, options.port) if options.port else free_address(options.host)
    if not address.is_free:
        raise PortTaken(address)
    local = with_interpreter(model, options.local, terminal)
    command = server_command(model, local, address, terminal, options.upload_url)
    command = replace(command, environment={**command.environment, **options.variables})
    try:
        run_interruptible(lambda interrupts: _serve(command, options.page, interrupts, terminal))
    except Interrupted as stopped:
        # Ctrl-C is the normal way to stop a server in the foreground.
        if stopped.signal_number != signal.SIGINT:
            raise


async def _serve(
    command: ServerCommand, page: PlaygroundOptions | None, interrupts: Interrupts, terminal: Terminal
) -> None:
    terminal.info(f"Starting {command.environment['COG_PREDICT_TYPE_STUB']}...")
    async with local_server(command) as server:
        interrupts.on_second = server.kill
        try:
            with page_beside(page, server.address, terminal):
                await report_start(server, terminal)
                returncode = await server.wait_exit()
        except asyncio.CancelledError:
            terminal.info("Stopping the server... (Ctrl-C again to kill it)")
            raise
    if returncode != 0:
        raise ServerExited(returncode)


async def report_start(server: RunningServer, terminal: Terminal) -> None:
    """Show when the server listens, and when its model is ready or its setup has failed."""
    # Imported while the server starts, which takes longer.
    from coglet_cli.server.client import ModelClient
    from coglet_cli.server.readiness import SetupFailed, UnexpectedHealth, wait_listening, wait_set_up

    async with ModelClient(server.address.url) as client:
        await wait_listening(server, client)
        terminal.info(f"Serving at {server.address.description}")
        try:
            await wait_set_up(server, client)
            terminal.info("The model is ready")
        except (SetupFailed, UnexpectedHealth) as failure:
            # The server keeps running, as in a container: its health check reports the failure.
            terminal.error(failure.message, failure.hint)
