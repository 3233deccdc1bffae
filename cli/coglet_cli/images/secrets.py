"""`--secret` and `--ssh`: data that a build may read and that is never stored in the image."""

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from coglet_cli.errors import UserError

_KEYS: Final = ("id", "src", "source", "env", "type")


def secret_arguments(flags: Sequence[str], folder: Path) -> list[str]:
    """Return the values of `--secret` as arguments for the docker client. Raises UserError if one is invalid.

    Relative paths are relative to `folder`.
    """
    arguments: list[str] = []
    for flag in flags:
        arguments += ["--secret", _secret(flag, folder)]
    return arguments


def ssh_arguments(flags: Sequence[str]) -> list[str]:
    """Return the values of `--ssh`, which are `default` or `id=path`, as arguments for the docker client."""
    return [word for flag in flags for word in ("--ssh", flag)]


def _secret(flag: str, folder: Path) -> str:
    fields = _fields(flag)
    kind = fields.get("type", "")
    if kind not in ("", "file", "env"):
        raise UserError(f'failed to parse secrets: unsupported secret type "{kind}"')
    identifier = fields.get("id")
    if not identifier:
        raise UserError(f"failed to parse secrets: id is missing in '{flag}'")
    source, variable = fields.get("src") or fields.get("source"), fields.get("env")
    if source and kind == "env":
        source, variable = None, source
    if variable is None and source is None:
        # As Docker does: the variable of that name, else the file.
        variable, source = (identifier, None) if identifier in os.environ else (None, identifier)
    if variable is not None:
        return f"id={identifier},env={variable}"
    return f"id={identifier},src={folder / Path(source or '').expanduser()}"


def _fields(flag: str) -> Mapping[str, str]:
    fields: dict[str, str] = {}
    for part in next(csv.reader([flag])):
        key, equals, value = part.partition("=")
        key = key.strip().lower()
        if not equals:
            raise UserError(f'failed to parse secrets: invalid field "{part}" must be a key=value pair')
        if key not in _KEYS:
            raise UserError(f"failed to parse secrets: unexpected key '{key}' in '{part}'")
        fields[key] = value
    return fields
