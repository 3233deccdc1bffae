"""A command with subcommands, which suggests the right name for a mistyped one."""

import difflib
from collections.abc import Mapping
from typing import Any

import click

from coglet_cli.errors import UserError


class CogGroup(click.Group):
    """A group of commands. `aliases` maps names that users try to the command to suggest."""

    def __init__(self, *args: Any, aliases: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._aliases = aliases or {}

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command as click does. Raises UserError with a suggestion if there is none."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            path = ctx.command_path
            raise UserError(f'unknown command "{name}" for "{path}"', hint=self._suggestion(name, path))
        return super().resolve_command(ctx, args)

    def _suggestion(self, name: str, path: str) -> str:
        public = [known for known, command in self.commands.items() if not command.hidden]
        guesses = [self._aliases[name]] if name in self._aliases else difflib.get_close_matches(name, public)
        if guesses:
            return f"did you mean {' or '.join(f'`{path} {guess}`' for guess in guesses)}?"
        return f"`{path} --help` lists the commands"
