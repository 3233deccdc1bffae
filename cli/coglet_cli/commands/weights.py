"""`cog weights`."""

import click

from coglet_cli.commands.flags import file_flag
from coglet_cli.commands.group import CogGroup
from coglet_cli.settings import CogCommand, Settings
from coglet_cli.terminal import Terminal

_verbose_flag = click.option("-v", "--verbose", is_flag=True, help="Show every file or layer.")
_names_argument = click.argument("names", nargs=-1, metavar="[NAME]...")


@click.group(cls=CogGroup, hidden=True)
def weights() -> None:
    """Manage large model files outside the image: in a registry and in a local store.

    \b
    Examples:
      cog weights import
      cog weights pull
      cog weights status
    """


@weights.command("import", cls=CogCommand)
@click.option("--dry-run", is_flag=True, help="Show what would be imported without importing it.")
@_verbose_flag
@file_flag
@_names_argument
@click.pass_obj
def import_command(
    settings: Settings, /, dry_run: bool, verbose: bool, file: str, names: tuple[str, ...]
) -> None:
    """Read the sources of the weights, upload them to the registry and write weights.lock.

    \b
    Examples:
      cog weights import
      cog weights import --dry-run my-weights
    """
    from coglet_cli.weights.project import open_project
    from coglet_cli.weights.transfer import import_weights

    terminal = _warned(settings)
    import_weights(open_project(file, terminal), names, terminal, dry_run=dry_run, verbose=verbose)


@weights.command(cls=CogCommand)
@_verbose_flag
@file_flag
@_names_argument
@click.pass_obj
def pull(settings: Settings, /, verbose: bool, file: str, names: tuple[str, ...]) -> None:
    """Download the weights in weights.lock from the registry.

    \b
    Example:
      cog weights pull
    """
    from coglet_cli.weights.project import open_project
    from coglet_cli.weights.transfer import pull_weights

    terminal = _warned(settings)
    pull_weights(open_project(file, terminal), names, terminal, verbose=verbose)


@weights.command(cls=CogCommand)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON instead of a table.")
@file_flag
@click.pass_obj
def status(settings: Settings, /, wants_json: bool, file: str) -> int:
    """Print the state of each weight. The exit code is 1 unless all are ready.

    \b
    Examples:
      cog weights status
      cog weights status --json
    """
    from coglet_cli.weights.project import open_project
    from coglet_cli.weights.status import State, as_json, as_table, statuses

    found = statuses(open_project(file, _warned(settings)))
    print(as_json(found) if wants_json else as_table(found))
    return 0 if all(weight.status is State.READY for weight in found) else 1


def _warned(settings: Settings) -> Terminal:
    terminal = settings.terminal()
    terminal.warning("NOTE: cog weights is experimental. Behavior may change in future versions.")
    terminal.warning("Do not rely on it in production workflows.")
    return terminal
