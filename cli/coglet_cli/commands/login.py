"""`cog login`."""

import click

from coglet_cli.settings import CogCommand, Settings


@click.command(cls=CogCommand)
@click.option("--token-stdin", is_flag=True, help="Read the token or password from stdin.")
@click.option(
    "--registry", metavar="HOST", help="Registry to log in to. Default: COG_REGISTRY_HOST, else r8.im."
)
@click.option("--username", metavar="NAME", help="User name. Default: ask for it.")
@click.pass_obj
def login(settings: Settings, /, token_stdin: bool, registry: str | None, username: str | None) -> None:
    """Log in to an image registry.

    \b
    Examples:
      cog login
      cog login --registry registry.example.com --username you --token-stdin < password.txt
    """
    from coglet_cli.registry.login import log_in

    log_in(registry, username, settings.terminal(), from_stdin=token_stdin)
