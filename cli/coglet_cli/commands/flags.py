"""Flags that several commands take."""

import os
from typing import Any

import click

file_flag = click.option(
    "-f",
    "--file",
    default="cog.yaml",
    show_default=True,
    metavar="NAME",
    help="Configuration file, searched from the current folder upwards.",
)
environment_flag = click.option(
    "-e",
    "--env",
    "environment",
    multiple=True,
    metavar="NAME=VALUE",
    help="Environment variable for the model. Repeatable.",
)
setup_timeout_flag = click.option(
    "--setup-timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="Time limit for the model's setup.",
)
python_flag = click.option(
    "--python",
    metavar="PATH",
    help="Python interpreter for the model. Default: an environment made from cog.yaml.",
)


def progress_of(given: dict[str, Any]) -> str:
    """Return how to show builds and installations: `--progress`, else `BUILDKIT_PROGRESS`, else auto."""
    from coglet_cli.progress import default_mode

    return given.get("progress") or default_mode(os.environ)
