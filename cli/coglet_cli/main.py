"""The `cog` command: its subcommands, and how their errors become exit codes."""

import copy
import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from coglet_cli.commands.build import build
from coglet_cli.commands.completion import completion
from coglet_cli.commands.debug import debug
from coglet_cli.commands.doctor import doctor
from coglet_cli.commands.exec import exec_command
from coglet_cli.commands.group import CogGroup
from coglet_cli.commands.init import init
from coglet_cli.commands.login import login
from coglet_cli.commands.playground import playground
from coglet_cli.commands.predict import predict
from coglet_cli.commands.predictions import predictions
from coglet_cli.commands.push import push
from coglet_cli.commands.schema import schema
from coglet_cli.commands.serve import serve
from coglet_cli.commands.train import train
from coglet_cli.commands.weights import weights
from coglet_cli.errors import Interrupted, UserError
from coglet_cli.settings import Settings, shared_options
from coglet_cli.stdout import CannotPrint, ReaderClosed, discard_stdout, watch_stdout

# Names that users try, and the commands that they mean.
_ALIASES: Final = {
    "infer": "predict",
    "http": "serve",
    "new": "init",
    "start": "init",
    "auth": "login",
    "authenticate": "login",
    "authorize": "login",
    "ui": "playground",
    "gui": "playground",
}


def _show_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from coglet_cli.version import version_line

        click.echo(version_line())
        context.exit()


@click.group(
    cls=CogGroup,
    aliases=_ALIASES,
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_version,
            help="Show the version.",
        ),
        *shared_options(),
    ],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
def cli() -> None:
    """Run machine-learning models from a folder with cog.yaml and a predictor.

    \b
    Examples:
      cog init
      cog predict -i prompt="a cat in a hat"
      cog serve
    """


cli.add_command(build)
cli.add_command(completion)
cli.add_command(debug)
cli.add_command(doctor)
cli.add_command(exec_command)
cli.add_command(init)
cli.add_command(playground)
cli.add_command(predict)
run = copy.copy(predict)
run.name, run.short_help = "run", "The same as predict."
cli.add_command(run)
cli.add_command(predictions)
cli.add_command(login)
cli.add_command(push)
cli.add_command(schema)
cli.add_command(serve)
cli.add_command(train)
cli.add_command(weights)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    _open_closed_streams()
    settings = Settings()
    code = _run(argv, settings)
    if os.environ.get("COG_UPDATE_URL"):
        from coglet_cli.update_check import report_update

        report_update(os.environ, settings.terminal())
    return code


def _open_closed_streams() -> None:
    """Replace closed standard streams by /dev/null.

    Under cron or a daemon wrapper any of them may be closed; a socket must not get its descriptor number.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode)
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)


def _run(argv: Sequence[str] | None, settings: Settings) -> int:
    """Run one command, print its error if there is one, and return its exit code."""
    watch_stdout()
    # A model's text may contain characters that this terminal cannot show; the rest must still be printed.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = cli.main(
            args=None if argv is None else list(argv), prog_name="cog", standalone_mode=False, obj=settings
        )
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except Interrupted as stopped:
        return stopped.exit_code
    except (BrokenPipeError, ReaderClosed):
        discard_stdout()
        return 1
    except UserError as error:
        if isinstance(error, CannotPrint):
            discard_stdout()
        settings.terminal().error(error.message, error.hint)
        return error.exit_code
    except click.ClickException as error:
        settings.terminal().error(_sentence(error), _usage_hint(error))
        return 1
    except (KeyboardInterrupt, click.Abort):
        return 130
    except Exception as error:  # the top of the command line: users get a sentence, --debug the traceback
        if settings.debug:
            raise
        settings.terminal().error(
            f"unexpected {type(error).__name__}: {error}",
            "this is a bug in cog; run the command again with --debug and report the traceback",
        )
        return 1


def _sentence(error: click.ClickException) -> str:
    text = error.format_message().rstrip(".")
    return text[:1].lower() + text[1:]


def _usage_hint(error: click.ClickException) -> str | None:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"`{context.command_path} --help` lists the flags" if context else None
