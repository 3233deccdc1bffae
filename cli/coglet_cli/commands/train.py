"""`cog train`."""

from typing import Any

import click

from coglet_cli.commands.build_flags import base_flags
from coglet_cli.commands.docker_flags import docker_options, docker_wanted, gpus_flag, image_argument
from coglet_cli.commands.flags import (
    environment_flag,
    file_flag,
    progress_of,
    python_flag,
    setup_timeout_flag,
)
from coglet_cli.settings import CogCommand, Settings


@click.command(cls=CogCommand, hidden=True)
@click.option(
    "-i", "--input", "inputs", multiple=True, metavar="NAME=VALUE", help="One input, as for predict."
)
@click.option(
    "-o",
    "--output",
    default="weights",
    show_default=True,
    metavar="PATH",
    help="Write the output to this file or folder.",
)
@environment_flag
@setup_timeout_flag
@click.option("--local", is_flag=True, help="Run the training on this machine, without a container.")
@python_flag
@gpus_flag
@base_flags
@file_flag
@click.argument("arguments", nargs=-1, metavar="[IMAGE]")
@click.pass_obj
def train(
    settings: Settings,
    /,
    inputs: tuple[str, ...],
    output: str,
    environment: tuple[str, ...],
    setup_timeout: float,
    local: bool,
    python: str | None,
    file: str,
    arguments: tuple[str, ...],
    **given: Any,
) -> None:
    """Run one training in a container, or with --local on this machine.

    \b
    Examples:
      cog train -i data=@data.zip -o weights.tar
      cog train --local -i data=@data.zip
    """
    from coglet_cli.local.model import LocalOptions
    from coglet_cli.prediction.spec import PredictOptions

    terminal = settings.terminal()
    terminal.warning(
        'Command "train" is deprecated, the train command will be removed in a future version of Cog'
    )
    image = image_argument(arguments)
    docker_wanted({**given, "local": local}, image=image, python=python, url=None)
    where = LocalOptions(file, python, environment, settings.debug, progress_of(given))
    options = PredictOptions(inputs, None, output, setup_timeout, is_training=True)
    if local or python:
        from coglet_cli.local.predict import run_local_prediction

        run_local_prediction(options, where, terminal)
    else:
        from coglet_cli.container.predict import run_docker_prediction

        run_docker_prediction(options, docker_options(given, where, image), terminal)
