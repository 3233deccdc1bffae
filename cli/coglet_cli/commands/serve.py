"""`cog serve`."""

from dataclasses import replace
from typing import Any, Final

import click

from coglet_cli.commands.build_flags import base_flags
from coglet_cli.commands.docker_flags import docker_options, docker_wanted, where_flags
from coglet_cli.commands.flags import environment_flag, file_flag, progress_of, python_flag
from coglet_cli.errors import UserError
from coglet_cli.settings import CogCommand, Settings

_MEMORY_STORES: Final = ("memory", "off")
_SQLITE: Final = "sqlite:"


def _check_records(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return the value of --records unchanged: the server resolves the path."""
    if value is None or value in _MEMORY_STORES or (value.startswith(_SQLITE) and value != _SQLITE):
        return value
    raise click.BadParameter(f"{value!r} is not one of memory, off, sqlite:PATH.")


def _complete_records(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Complete the part before the path."""
    return [form for form in (*_MEMORY_STORES, _SQLITE) if form.startswith(incomplete)]


@click.command(cls=CogCommand)
@click.option(
    "-p",
    "--port",
    type=click.IntRange(0, 65535),
    default=8393,
    show_default=True,
    metavar="PORT",
    help="Port to listen on; 0 selects a free one.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="IP address to listen on; 0.0.0.0 opens the server to the network.",
)
@click.option("--upload-url", metavar="URL", help="Upload output files there instead of sending them inline.")
@click.option(
    "--queue",
    type=click.IntRange(min=0),
    metavar="NUMBER",
    help="How many predictions may wait for their turn instead of being refused.",
)
@click.option(
    "--records",
    callback=_check_records,
    shell_complete=_complete_records,
    metavar="memory|off|sqlite:PATH",
    help="Where the server keeps predictions after their end.",
)
@click.option(
    "--reload", is_flag=True, help="Serve each change of Python files, cog.yaml and requirements at once."
)
@click.option("--playground", is_flag=True, help="Also serve a page to try the model in a browser.")
@click.option(
    "--playground-port",
    type=click.IntRange(0, 65535),
    default=9000,
    show_default=True,
    metavar="PORT",
    help="Port of that page; 0 selects a free one.",
)
@environment_flag
@python_flag
@file_flag
@where_flags
@base_flags
@click.argument("image", required=False)
@click.pass_obj
def serve(
    settings: Settings,
    /,
    port: int,
    host: str,
    upload_url: str | None,
    queue: int | None,
    records: str | None,
    reload: bool,
    playground: bool,
    playground_port: int,
    environment: tuple[str, ...],
    python: str | None,
    file: str,
    image: str | None,
    **given: Any,
) -> None:
    """Serve the model in the current folder or in an image over HTTP.

    Runs in the foreground until Ctrl-C. The model's logs go to stderr.

    \b
    Examples:
      cog serve
      cog serve -p 5000 -e MODEL_SIZE=small
      cog serve --queue 100 --records sqlite:predictions.db
      cog serve --reload --playground
      curl localhost:8393/predictions --json '{"input": {"prompt": "a cat in a hat"}}'
    """
    from coglet_cli.local.model import LocalOptions
    from coglet_cli.local.serve import ServeOptions, run_server
    from coglet_cli.playground.command import check_ports
    from coglet_cli.playground.server import PlaygroundOptions
    from coglet_cli.server.address import parse_host

    in_docker = docker_wanted(given, image=image, python=python, url=None)
    if reload and in_docker:
        raise UserError(
            "--reload needs a model that runs on this machine, not in a container",
            hint="run it without a container, or start it again after a change",
        )
    local = LocalOptions(file, python, environment, settings.debug, progress_of(given))
    page = None
    if playground:
        check_ports(playground_port, port)
        page = PlaygroundOptions("", port=playground_port)
        # The default name host.docker.internal works only inside a container.
        page = page if in_docker else replace(page, webhook_host="localhost")
    options = ServeOptions(local, parse_host(host), port, upload_url, page, queue, records, reload)
    if in_docker:
        from coglet_cli.container.serve import run_docker_server

        run_docker_server(options, docker_options(given, local, image), settings.terminal())
    else:
        run_server(options, settings.terminal())
