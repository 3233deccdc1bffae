"""`cog train`."""

from typing import Any

import click

from coglet_cli.commands.build_flags import base_flags
from coglet_cli.commands.docker_flags import docker_options, gpus_flag
from coglet_cli.commands.flags import environment_flag, file_flag
from coglet_cli.settings import CogCommand, Settings


@click.command(cls=CogCommand, hidden=True)
@click.option(
    "-i", "--input", "inputs", multiple=True, metavar="NAME=VALUE", help="One input, as for predict."
)
@click.option("-o", "--output", default="weights", show_default=True, metavar="PATH", help="Where to write.")
@environment_flag
@click.option(
    "--setup-timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="How long the model may take to set up.",
)
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
    file: str,
    arguments: tuple[str, ...],
    **given: Any,
) -> None:
    """Run one training, in a container.

    \b
    Example:
      cog train -i data=@data.zip -o weights.tar
    """
    from coglet_cli.local_model import LocalOptions
    from coglet_cli.predicting import PredictOptions, image_argument, run_docker_prediction

    terminal = settings.terminal()
    terminal.warning(
        'Command "train" is deprecated, the train command will be removed in a future version of Cog'
    )
    local = LocalOptions(file, None, environment, settings.debug)
    options = PredictOptions(local, inputs, None, output, setup_timeout, is_training=True)
    run_docker_prediction(options, docker_options(given, local, image_argument(arguments)), terminal)
