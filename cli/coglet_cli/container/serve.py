"""`cog serve --docker`: the model's server in a container, in the foreground."""

import asyncio
import signal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from coglet_cli.container.model import (
    SERVER_COMMAND,
    DockerModel,
    DockerOptions,
    build_model,
    container_plan,
    find_image,
)
from coglet_cli.errors import Interrupted
from coglet_cli.interrupts import Interrupts, run_interruptible
from coglet_cli.local.serve import ServeOptions, report_start
from coglet_cli.playground.command import page_beside
from coglet_cli.project.model import load_local_model
from coglet_cli.project.schema import prepare_schema
from coglet_cli.server.address import Address, PortTaken
from coglet_cli.terminal import Terminal

if TYPE_CHECKING:
    from coglet_cli.engine.client import Engine
    from coglet_cli.engine.container import ContainerPlan


@dataclass(frozen=True)
class _Start:
    """What is needed to start the container."""

    engine: "Engine"
    model: DockerModel
    options: DockerOptions
    serve: ServeOptions


def run_docker_server(serve: ServeOptions, docker: DockerOptions, terminal: Terminal) -> None:
    """Serve until Ctrl-C or a shutdown request. Raises UserError if the server cannot start or fails."""
    from coglet_cli.engine.client import Engine

    document: Mapping[str, Any] | None = None
    local = None
    if docker.image is None:
        local = load_local_model(serve.local.file, terminal)
        document = prepare_schema(local.project, local.config, terminal)
    engine = Engine.connect()
    check_port(engine, serve, terminal)
    if local is None:
        model = find_image(engine, docker.image or "", docker.flags, terminal)
    else:
        model = build_model(engine, local, docker.flags, document, terminal)
    start = _Start(engine, model, docker, serve)
    try:
        run_interruptible(lambda interrupts: _serve(start, interrupts, terminal))
    except Interrupted as stopped:
        # Ctrl-C is the normal way to stop a server in the foreground.
        if stopped.signal_number != signal.SIGINT:
            raise


def check_port(engine: "Engine", serve: ServeOptions, terminal: Terminal) -> None:
    """Warn if the engine is on another machine. Raises PortTaken if the port is in use on this one."""
    if engine.is_remote:
        terminal.warning(
            f"Using Docker daemon at {engine.host}; the server will bind to {serve.host} on that host, "
            "not this machine."
        )
    elif serve.port and not Address(serve.host, serve.port).is_free:
        raise PortTaken(Address(serve.host, serve.port))


def _arguments(serve: ServeOptions) -> list[str]:
    upload = ["--upload-url", serve.upload_url] if serve.upload_url else []
    return [*SERVER_COMMAND, "--await-explicit-shutdown", "true", *upload]


def serving(plan: "ContainerPlan", serve: ServeOptions) -> "ContainerPlan":
    """Return the plan with what the flags of `cog serve` ask for."""
    from coglet_cli.engine.container import MODEL_PORT

    return replace(
        plan,
        arguments=_arguments(serve),
        environment={**plan.environment, **serve.variables},
        ports={MODEL_PORT: (serve.host, serve.port)},
        stop_signal="SIGINT",
    )


async def _serve(start: _Start, interrupts: Interrupts, terminal: Terminal) -> None:
    from coglet_cli.engine.container import ContainerExited, model_container

    plan, show_line = container_plan(start.model, start.options, terminal)
    plan = serving(plan, start.serve)
    terminal.info(_announcement(plan))
    async with model_container(start.engine, plan, terminal, show_line) as server:
        interrupts.on_second = server.kill
        try:
            with page_beside(start.serve.page, server.address, terminal):
                await report_start(server, terminal)
                code = await server.wait_exit()
        except asyncio.CancelledError:
            terminal.info("Stopping the server... (Ctrl-C again to kill it)")
            raise
    if code != 0:
        raise ContainerExited(code)


def _announcement(plan: "ContainerPlan") -> str:
    place = " with the current directory mounted as a volume" if plan.folder else ""
    return f"Running {' '.join(plan.arguments)} in Docker{place}..."
