"""The tables of commands and flags in docs/cli.md. `test_main` finds flags that are absent from them."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from coglet_cli.main import cli

DOC = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text()
COMMANDS = [name for name in cli.commands if name != "run"]  # `run` is `predict`


def section(name: str) -> str:
    """Return the text below the heading of a command."""
    return DOC.partition(f"\n## `cog {name}`\n")[2].partition("\n## ")[0]


def flags_of(command: click.Command) -> Iterator[str]:
    for parameter in command.params:
        yield from (*parameter.opts, *parameter.secondary_opts)
    if isinstance(command, click.Group):
        for below in command.commands.values():
            yield from flags_of(below)


def test_the_table_of_commands_has_all_of_them_in_the_order_of_their_sections() -> None:
    listed = re.findall(r"^\| \[`cog ([a-z]+)`\]\(#cog-([a-z]+)\) \|", DOC, re.MULTILINE)
    assert sorted(name for name, _ in listed) == sorted(COMMANDS)
    assert all(name == anchor for name, anchor in listed)
    assert [name for name, _ in listed] == re.findall(r"^## `cog ([a-z]+)`$", DOC, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_tables_of_a_command_name_no_flag_that_it_does_not_have(name: str) -> None:
    first_cells = re.findall(r"^\| (`-[^|]*) \|", section(name), re.MULTILINE)
    named = {flag for cell in first_cells for flag in re.findall(r"`(-[^`]+)`", cell)}
    assert named <= set(flags_of(cli.commands[name]))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_hidden_command_says_why(name: str) -> None:
    row = next(line for line in DOC.splitlines() if line.startswith(f"| [`cog {name}`]"))
    is_marked = "deprecated" in row or "experimental" in row or "not in the help" in row
    assert is_marked == cli.commands[name].hidden
