"""`cog init`."""

import click

from coglet_cli.settings import CogCommand, Settings


@click.command(cls=CogCommand)
@click.pass_obj
def init(settings: Settings) -> None:
    """Create a new model in the current folder.

    Writes cog.yaml, a predictor to complete and supporting files. Existing files are not changed.

    \b
    Example:
      mkdir my-model && cd my-model && cog init
    """
    from pathlib import Path

    from coglet_cli.templates import write_templates

    write_templates(Path.cwd(), settings.terminal())
