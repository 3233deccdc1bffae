"""`cog exec`: a command in a container of the model, attached to this terminal."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from coglet_cli.container.model import build_model, owner_of
from coglet_cli.errors import UserError
from coglet_cli.images.preparation import BuildFlags
from coglet_cli.local.model import parse_variables
from coglet_cli.project.model import load_local_model
from coglet_cli.server.address import LOOPBACK
from coglet_cli.terminal import Terminal

_HIGHEST_PORT: Final = 65535


@dataclass(frozen=True)
class ExecOptions:
    """The flags of `cog exec`."""

    file: str
    command: Sequence[str]
    ports: Sequence[str] = ()
    environment: Sequence[str] = ()
    gpus: str | None = None


def run_command(options: ExecOptions, flags: BuildFlags, terminal: Terminal) -> int:
    """Run the command and return its exit code. Raises UserError if the container cannot be started."""
    from coglet_cli.engine.attached import run_attached
    from coglet_cli.engine.client import Engine
    from coglet_cli.engine.container import ALL_GPUS, ContainerPlan

    ports = published_ports(options.ports)
    local = load_local_model(options.file, terminal)
    variables = parse_variables(options.environment, os.environ)
    engine = Engine.connect()
    model = build_model(engine, local, flags, None, terminal)
    terminal.info(
        f"Running {' '.join(options.command)} in Docker with the current directory mounted as a volume..."
    )
    has_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    plan = ContainerPlan(
        model.image,
        options.command,
        environment=variables,
        folder=model.folder,
        read_only=model.weights,
        user=owner_of(model.folder),
        gpus=options.gpus or (ALL_GPUS if model.has_gpu else None),
        are_gpus_optional=options.gpus is None,
        ports=ports,
        is_interactive=True,
        has_terminal=has_terminal,
    )
    code = run_attached(engine, plan, terminal)
    if code != 0:
        terminal.error(f"container exited with status {code}")
    return code


def published_ports(texts: Sequence[str]) -> Mapping[str, tuple[str, int]]:
    """Return the port mapping of `-p`, with the same port number inside and outside.

    The shape is `{"8000/tcp": ("127.0.0.1", 8000)}`. Raises UserError if a text is not `[HOST:]PORT`.
    """
    return {f"{port}/tcp": (host, port) for host, port in map(_host_and_port, texts)}


def _host_and_port(text: str) -> tuple[str, int]:
    if not text:
        raise _invalid(text, "value cannot be empty")
    host, port = _split(text)
    if not port.isdecimal() or not 1 <= int(port) <= _HIGHEST_PORT:
        raise _invalid(text, f"port must be between 1 and {_HIGHEST_PORT}")
    return host, int(port)


def _split(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket:
            raise _invalid(text, "missing closing bracket for IPv6 address")
        if not rest:
            raise _invalid(text, "port is required after IPv6 address")
        if not rest.startswith(":"):
            raise _invalid(text, "expected ':' after ']'")
        port = rest[1:]
    else:
        host, colon, port = text.rpartition(":")
        if not colon:
            return LOOPBACK, port
    if not host:
        raise _invalid(text, "host cannot be empty")
    return host, port


def _invalid(text: str, reason: str) -> UserError:
    return UserError(f'invalid port "{text}": {reason}')
