"""`cog exec`."""

from typing import Any

import click

from coglet_cli.commands.build_flags import base_flags, build_flags_from
from coglet_cli.commands.docker_flags import docker_wanted, gpus_flag
from coglet_cli.commands.flags import environment_flag, file_flag, progress_of, python_flag
from coglet_cli.settings import CogCommand, Settings


@click.command(
    "exec",
    cls=CogCommand,
    context_settings={"allow_interspersed_args": False, "ignore_unknown_options": False},
)
@click.option(
    "-p",
    "--publish",
    "ports",
    multiple=True,
    metavar="[HOST:]PORT",
    help="Publish a port of the container on this machine. Repeatable.",
)
@environment_flag
@click.option(
    "--local", is_flag=True, help="Run the command on this machine, in the model's Python environment."
)
@python_flag
@gpus_flag
@base_flags
@file_flag
@click.argument("command", nargs=-1, required=True, metavar="COMMAND [ARG]...")
@click.pass_obj
def exec_command(
    settings: Settings,
    /,
    ports: tuple[str, ...],
    environment: tuple[str, ...],
    local: bool,
    python: str | None,
    file: str,
    command: tuple[str, ...],
    **given: Any,
) -> int:
    """Run a command in the environment of the model.

    Builds an image for the folder and runs the command in a container, with the folder mounted at /src.
    With --local, runs it on this machine, in the folder.

    \b
    Examples:
      cog exec python train.py
      cog exec -p 8888 jupyter notebook --ip 0.0.0.0
      cog exec --local python train.py
    """
    from coglet_cli.container.exec import ExecOptions, run_command
    from coglet_cli.local.exec import run_local_command
    from coglet_cli.local.model import LocalOptions

    docker_wanted({**given, "local": local, "ports": ports or None}, image=None, python=python, url=None)
    if local or python:
        here = LocalOptions(file, python, environment, settings.debug, progress_of(given))
        run_local_command(here, command, settings.terminal())
    options = ExecOptions(file, command, ports, environment, given.get("gpus"))
    return run_command(options, build_flags_from(given), settings.terminal())
