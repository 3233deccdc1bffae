"""`cog debug`."""

from typing import Any

import click

from coglet_cli.commands.build_flags import base_flags, build_flags_from
from coglet_cli.commands.flags import file_flag
from coglet_cli.settings import CogCommand, Settings


@click.command(cls=CogCommand, hidden=True)
@click.option(
    "--image-name", metavar="NAME", help="Image name, from which the name of the weights image is derived."
)
@click.option("--separate-weights", is_flag=True, help="Print the Dockerfiles of both images.")
@base_flags
@file_flag
@click.pass_obj
def debug(settings: Settings, /, image_name: str | None, file: str, **given: Any) -> None:
    """Print the Dockerfile that `cog build` would use.

    \b
    Example:
      cog debug
    """
    from coglet_cli.images.build import print_dockerfiles

    print_dockerfiles(file, image_name, build_flags_from(given), settings.terminal())
