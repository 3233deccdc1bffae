"""`cog schema`."""

import sys

import click

from coglet_cli.commands.flags import file_flag
from coglet_cli.settings import CogCommand, Settings


@click.command(cls=CogCommand)
@click.option("--write", is_flag=True, help="Write it to .cog/openapi_schema.json instead of printing it.")
@file_flag
@click.pass_obj
def schema(settings: Settings, write: bool, file: str) -> None:
    """Print the model's OpenAPI document.

    The document is generated from the model's source, which is neither imported nor run.

    \b
    Examples:
      cog schema
      cog schema --write
    """
    from coglet_cli.errors import UserError
    from coglet_cli.project.model import load_local_model
    from coglet_cli.project.schema import schema_bytes, store_schema

    terminal = settings.terminal()
    model = load_local_model(file, terminal)
    data = schema_bytes(model.project, model.config)
    if write:
        try:
            path = store_schema(model.project, data)
        except OSError as error:
            raise UserError(f"failed to write the schema: {error}") from None
        terminal.success(f"Schema written to {path.relative_to(model.project.folder)}")
    else:
        sys.stdout.buffer.write(data if data.endswith(b"\n") else data + b"\n")
        sys.stdout.flush()
