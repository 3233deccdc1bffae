"""`cog predict`, also known as `cog run`."""

from typing import Any

import click

from coglet_cli.commands.build_flags import base_flags
from coglet_cli.commands.docker_flags import docker_options, docker_wanted, image_argument, where_flags
from coglet_cli.commands.flags import (
    environment_flag,
    file_flag,
    progress_of,
    python_flag,
    setup_timeout_flag,
)
from coglet_cli.errors import UserError
from coglet_cli.settings import CogCommand, Settings


@click.command(cls=CogCommand)
@click.option(
    "-i",
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=VALUE",
    help="One input; @PATH sends the content of a file, @- that of stdin. Repeat a name for a list.",
)
@click.option("--json", metavar="JSON", help="All inputs as a JSON object, as @FILE, or from stdin with -.")
@click.option("-o", "--output", metavar="PATH", help="Write the output to this file or folder.")
@environment_flag
@setup_timeout_flag
@click.option(
    "--use-replicate-token",
    is_flag=True,
    help="Pass REPLICATE_API_TOKEN to the model in the context of the prediction.",
)
@python_flag
@click.option("--url", metavar="URL", help="Use the model server at this URL instead of starting one.")
@click.option(
    "--async", "is_async", is_flag=True, help="With --url: print the prediction's ID and do not wait for it."
)
@click.option(
    "--priority",
    type=click.IntRange(-10, 10),
    metavar="NUMBER",
    help="With --url: its priority in the server's queue; higher ones run first. Default: 0.",
)
@click.option("--watch", is_flag=True, help="Ask again at each change of the model's source, until Ctrl-C.")
@file_flag
@where_flags
@base_flags
@click.argument("arguments", nargs=-1, metavar="[IMAGE]")
@click.pass_obj
def predict(
    settings: Settings,
    /,
    inputs: tuple[str, ...],
    json: str | None,
    output: str | None,
    environment: tuple[str, ...],
    setup_timeout: float,
    use_replicate_token: bool,
    python: str | None,
    url: str | None,
    is_async: bool,
    priority: int | None,
    watch: bool,
    file: str,
    arguments: tuple[str, ...],
    **given: Any,
) -> None:
    """Run one prediction.

    Starts the model in the current folder or in an image, runs the prediction, prints the output and stops
    the model. Logs go to stderr. Text goes to stdout; files go to the current folder or the path of -o.

    \b
    Examples:
      cog predict my-model -i prompt="a cat in a hat"
      cog predict -i prompt="a cat in a hat" -i steps=20
      cog predict -i image=@photo.jpg -o small.jpg
      cog predict --json '{"prompt": "a cat in a hat"}'
      cog predict --watch -i prompt="a cat in a hat"
      cog predict --url http://localhost:8393 --async -i prompt="a cat in a hat"
    """
    from coglet_cli.local.model import LocalOptions
    from coglet_cli.prediction.spec import PredictOptions

    if url is None:
        _check_local(is_async=is_async, priority=priority)
    if is_async and output is not None:
        raise UserError("--async and -o exclude each other: `cog predictions ID -o PATH` writes the output")
    image = image_argument(arguments)
    in_docker = docker_wanted(given, image=image, python=python, url=url)
    if watch and (in_docker or url is not None):
        raise UserError("--watch needs a model that runs on this machine, without a container")
    local = LocalOptions(file, python, environment, settings.debug, progress_of(given))
    options = PredictOptions(inputs, json, output, setup_timeout, use_replicate_token, priority=priority)
    terminal = settings.terminal()
    if in_docker:
        from coglet_cli.container.predict import run_docker_prediction

        run_docker_prediction(options, docker_options(given, local, image), terminal)
    elif url is not None:
        from coglet_cli.prediction.remote import run_remote_prediction, submit_remote_prediction

        (submit_remote_prediction if is_async else run_remote_prediction)(url, options, terminal)
    else:
        from coglet_cli.local.predict import run_local_prediction, watch_local_prediction

        (watch_local_prediction if watch else run_local_prediction)(options, local, terminal)


def _check_local(*, is_async: bool, priority: int | None) -> None:
    """Raise UserError if a flag needs a server that was there before this command and stays after it."""
    hint = "start a server with `cog serve`, and pass the URL that it shows with --url"
    if is_async:
        raise UserError(
            "--async needs --url: without it, the model stops with this command, before it has an output",
            hint=hint,
        )
    if priority is not None:
        raise UserError("--priority needs --url: without it, no other prediction could wait", hint=hint)
