"""`cog playground`."""

import click

from coglet_cli.settings import CogCommand, Settings


@click.command(cls=CogCommand)
@click.option(
    "-p",
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    metavar="PORT",
    help="Port of the page; 0 selects a free one.",
)
@click.option(
    "--target",
    default="http://localhost:8393",
    show_default=True,
    metavar="URL",
    help="Model server that the page connects to at first.",
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="IP address to listen on."
)
@click.option(
    "--webhook-host",
    default="host.docker.internal",
    show_default=True,
    metavar="NAME",
    help="Host name of this machine for webhooks from the model server.",
)
@click.option("--no-open", is_flag=True, help="Do not open a browser.")
@click.pass_obj
def playground(
    settings: Settings, /, port: int, target: str, host: str, webhook_host: str, no_open: bool
) -> None:
    """Try a model server in the browser.

    \b
    Examples:
      cog playground
      cog playground --target http://localhost:5000 --webhook-host localhost
    """
    from coglet_cli.playground.command import run_playground
    from coglet_cli.playground.server import PlaygroundOptions
    from coglet_cli.server.address import parse_host

    options = PlaygroundOptions(target, parse_host(host), port, webhook_host)
    run_playground(options, settings.terminal(), wants_browser=not no_open)
