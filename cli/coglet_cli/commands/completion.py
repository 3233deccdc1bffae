"""`cog completion`."""

import click

from coglet_cli.settings import CogCommand

_SHELLS = ("bash", "zsh", "fish")


@click.command(cls=CogCommand)
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, /, shell: str) -> None:
    """Print a shell script that completes the commands and flags of cog.

    \b
    Examples:
      eval "$(cog completion bash)"          # in ~/.bashrc
      eval "$(cog completion zsh)"           # in ~/.zshrc
      cog completion fish > ~/.config/fish/completions/cog.fish
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None  # click has all three
    click.echo(found(context.find_root().command, {}, "cog", "_COG_COMPLETE").source())
