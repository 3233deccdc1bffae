"""`cog doctor`."""

import click

from coglet_cli.commands.flags import file_flag
from coglet_cli.settings import CogCommand, Settings


@click.command(cls=CogCommand)
@click.option("--fix", is_flag=True, help="Fix the problems that can be fixed automatically.")
@file_flag
@click.pass_obj
def doctor(settings: Settings, /, fix: bool, file: str) -> int:
    """Look for problems in the model of the current folder and on this machine.

    \b
    Examples:
      cog doctor
      cog doctor --fix
    """
    from coglet_cli.doctor.examination import examine

    terminal = settings.terminal()
    terminal.warning("NOTE: cog doctor is experimental. Behavior and checks may change in future versions.")
    terminal.info(f"Running cog doctor{' --fix' if fix else ''}...")
    return 0 if examine(file, terminal, fix=fix) else 1
