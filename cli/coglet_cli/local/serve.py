"""`cog serve` on this machine: a model's server in the foreground."""

import asyncio
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from coglet_cli.errors import Interrupted, UserError
from coglet_cli.interrupts import Interrupts, run_interruptible
from coglet_cli.local.model import (
    MODEL_VARIABLE,
    LocalOptions,
    server_command,
    with_interpreter,
    with_interpreter_beside,
)
from coglet_cli.local.process import LocalServer, ServerCommand, ServerExited, local_server
from coglet_cli.playground.command import page_beside
from coglet_cli.playground.server import PlaygroundOptions
from coglet_cli.project.changes import SourceChanges, watch_source
from coglet_cli.project.folder import find_project
from coglet_cli.project.model import LocalModel, load_local_model
from coglet_cli.project.schema import prepare_schema
from coglet_cli.server.address import Address, PortTaken, at_free_port
from coglet_cli.server.running import RunningServer, unless_raised
from coglet_cli.terminal import Terminal


@dataclass(frozen=True)
class ServeOptions:
    """The flags of `cog serve`; `host` is an IP address, `page` the playground to serve as well, if any.

    `queue` and `records` are None for the defaults of the server. With `reload`, changes of the model's
    source are served without a restart.
    """

    local: LocalOptions
    host: str
    port: int
    upload_url: str | None = None
    page: PlaygroundOptions | None = None
    queue: int | None = None
    records: str | None = None
    reload: bool = False

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
    if options.port and not Address(options.host, options.port).is_free:
        raise PortTaken(Address(options.host, options.port))
    local = with_interpreter(model, options.local, terminal)

    async def serve(interrupts: Interrupts) -> None:
        async def serve_at(address: Address) -> None:
            start = _Start(options, address, terminal)
            await start.serve(start.command(model, local), interrupts)

        if options.port:
            await serve_at(Address(options.host, options.port))
        else:
            await at_free_port(options.host, serve_at)

    try:
        run_interruptible(serve)
    except Interrupted as stopped:
        # Ctrl-C is the normal way to stop a server in the foreground.
        if stopped.signal_number != signal.SIGINT:
            raise


@dataclass(frozen=True)
class _Start:
    """What is needed to start the server, and to have it reload the model."""

    options: ServeOptions
    address: Address
    terminal: Terminal

    def command(self, model: LocalModel, local: LocalOptions) -> ServerCommand:
        """Return the command that starts the server of this version of the model."""
        command = server_command(model, local, self.address, self.terminal, self.options.upload_url)
        return replace(command, environment={**command.environment, **self.options.variables})

    async def serve(self, command: ServerCommand, interrupts: Interrupts) -> None:
        """Serve until the server exits. Raises ServerExited, unless its exit code is 0."""
        self.terminal.info(f"Starting {command.environment[MODEL_VARIABLE]}...")
        async with local_server(command) as server:
            interrupts.on_second = server.kill
            try:
                with page_beside(self.options.page, server.address, self.terminal):
                    returncode = await self._serve_until_exit(server)
            except asyncio.CancelledError:
                self.terminal.info("Stopping the server... (Ctrl-C again to kill it)")
                raise
        if returncode != 0:
            raise ServerExited(returncode)

    async def _serve_until_exit(self, server: LocalServer) -> int:
        async def work() -> int:
            await report_start(server, self.terminal)
            return await server.wait_exit()

        if not self.options.reload:
            return await work()
        return await unless_raised(self._reload_at_changes(server), work())

    async def _reload_at_changes(self, server: LocalServer) -> None:
        project = find_project(self.options.local.file, Path.cwd())
        changes = SourceChanges()

        async def reload() -> None:
            while True:
                self.terminal.info(f"{await changes.take()} changed, reloading the model...")
                await server.send(await self._reload())

        await unless_raised(watch_source(project, changes), reload())

    async def _reload(self) -> dict[str, Any]:
        """Return the message for the server: how to start the changed model, or why that is not possible."""
        try:
            model = load_local_model(self.options.local.file, self.terminal)
            prepare_schema(model.project, model.config, self.terminal)
            local = await with_interpreter_beside(model, self.options.local, self.terminal)
            command = self.command(model, local)
        except UserError as error:
            self.terminal.error(f"the model was not reloaded: {error.message}", error.hint)
            return {"type": "reload_failed", "error": error.message}
        return {
            "type": "reload",
            "predictor_ref": command.environment[MODEL_VARIABLE],
            "environment": dict(command.environment),
        }


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
