"""`cog build`."""

from typing import Any

import click

from coglet_cli.commands.build_flags import base_flags, build_flags_from, image_flags
from coglet_cli.commands.flags import file_flag
from coglet_cli.settings import CogCommand, Settings


@click.command(cls=CogCommand)
@click.option("-t", "--tag", metavar="NAME", help="Name of the image. Default: `image` of cog.yaml.")
@image_flags
@click.option(
    "--timestamp",
    type=int,
    default=-1,
    metavar="SECONDS",
    hidden=True,
    help="Latest Unix time for the dates of the image and its files; -1 keeps the real dates.",
)
@click.option("--skip-schema-validation", is_flag=True, hidden=True, help="Build without a schema.")
@base_flags
@file_flag
@click.pass_obj
def build(settings: Settings, /, tag: str | None, file: str, **given: Any) -> None:
    """Build an image of the model in the current folder.

    \b
    Examples:
      cog build -t my-model
      cog build -t my-model --secret id=token,env=HF_TOKEN
      docker run -p 5000:5000 my-model
    """
    from coglet_cli.images.build import build_image

    build_image(file, tag, build_flags_from(given), settings.terminal())
