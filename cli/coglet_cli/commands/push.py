"""`cog push`."""

from typing import Any

import click

from coglet_cli.commands.build_flags import base_flags, build_flags_from, image_flags
from coglet_cli.commands.flags import file_flag
from coglet_cli.settings import CogCommand, Settings


@click.command(cls=CogCommand)
@image_flags
@base_flags
@file_flag
@click.argument("image", required=False)
@click.pass_obj
def push(settings: Settings, /, image: str | None, file: str, **given: Any) -> None:
    """Build an image of the model and push it to a registry.

    \b
    Examples:
      cog push registry.example.com/you/your-model
      cog push          # to the `image` of cog.yaml
    """
    from coglet_cli.images.push import push_image

    push_image(file, image, build_flags_from(given), settings.terminal())
