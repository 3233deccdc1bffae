"""Flags that several commands take."""

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
python_flag = click.option(
    "--python", metavar="PATH", help="Python interpreter for the model. Default: the one that runs cog."
)
