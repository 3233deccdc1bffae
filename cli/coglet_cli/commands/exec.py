"""`cog exec`."""

from typing import Any

import click

from coglet_cli.commands.build_flags import base_flags, build_flags_from
from coglet_cli.commands.docker_flags import gpus_flag
from coglet_cli.commands.flags import environment_flag, file_flag
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
    help="Open a port of the container on this machine. Repeatable.",
)
@environment_flag
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
    file: str,
    command: tuple[str, ...],
    **given: Any,
) -> int:
    """Run a command in the environment of the model.

    Builds an image of the folder, and runs the command in a container of it, with the folder as /src.

    \b
    Examples:
      cog exec python train.py
      cog exec -p 8888 jupyter notebook --ip 0.0.0.0
    """
    from coglet_cli.executing import ExecOptions, run_command

    options = ExecOptions(file, command, ports, environment, given.get("gpus"))
    return run_command(options, build_flags_from(given), settings.terminal())
