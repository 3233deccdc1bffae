"""The flags that every command takes, before or after its name."""

import os
import sys
from dataclasses import dataclass

import click

from coglet_cli.terminal import Terminal, color_wanted


@dataclass
class Settings:
    """Written while the command line is parsed, read by the commands."""

    debug: bool = False
    no_color: bool = False

    def terminal(self) -> Terminal:
        """Return the terminal that these flags and the environment ask for."""
        color = color_wanted(os.environ, is_terminal=sys.stderr.isatty(), refused=self.no_color)
        return Terminal(color=color, debug=self.debug)


def _set_debug(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Settings).debug = True


def _set_no_color(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Settings).no_color = True
        os.environ["NO_COLOR"] = "1"  # for child processes


def _set_registry(_: click.Context, __: click.Parameter, value: str | None) -> None:
    if value:
        os.environ["COG_REGISTRY_HOST"] = value


def shared_options() -> list[click.Option]:
    """Return `--debug`, `--no-color`, and `--registry`, which only the help of `login` lists."""
    return [
        click.Option(
            ["--debug"], is_flag=True, expose_value=False, callback=_set_debug, help="Show debug messages."
        ),
        click.Option(
            ["--no-color"], is_flag=True, expose_value=False, callback=_set_no_color, help="Disable colors."
        ),
        click.Option(
            ["--registry"],
            metavar="HOST",
            hidden=True,
            expose_value=False,
            callback=_set_registry,
            help="Registry of base images and logins. Default: COG_REGISTRY_HOST, else r8.im.",
        ),
    ]


class CogCommand(click.Command):
    """A command with the shared flags."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        own = {flag for parameter in self.params for flag in parameter.opts}
        self.params.extend(option for option in shared_options() if not own & set(option.opts))
