"""`cog init`."""

import click

from coglet_cli.settings import CogCommand, Settings


@click.command(cls=CogCommand)
@click.pass_obj
def init(settings: Settings) -> None:
    """Start a model in the current folder.

    Writes a configuration, a predictor to fill in and the files around them. Files that exist are kept.

    \b
    Example:
      mkdir my-model && cd my-model && cog init
    """
    from pathlib import Path

    from coglet_cli.templates import write_templates

    write_templates(Path.cwd(), settings.terminal())
