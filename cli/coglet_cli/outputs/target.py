"""The destination of a prediction's output, checked before it runs, so that no output is lost."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coglet_cli.errors import UserError

DEFAULT_NAME: Final = "output"


@dataclass(frozen=True)
class OutputTarget:
    """Where to write: `file` is the path of `-o`, or None if text goes to stdout."""

    file: Path | None = None

    @property
    def base(self) -> Path:
        """The name of a single output file, and the prefix of the names of several."""
        return self.file or Path(DEFAULT_NAME)

    @property
    def stem(self) -> Path:
        """The prefix for files next to JSON output: `base` without the extension, which is for the JSON."""
        return self.base.with_suffix("") if has_extension(self.base) else self.base


def has_extension(file: Path) -> bool:
    """Return True for `result.png`, False for `result.1`, where `.1` is a number."""
    return bool(file.suffix) and not file.suffix[1:].isdigit()


def choose_target(argument: str | None, *, as_json: bool, may_hold_files: bool) -> OutputTarget:
    """Return the target for the argument of `-o`, relative to the current directory.

    Raises UserError if the output could not be written there.
    """
    name = f"{DEFAULT_NAME}.json" if as_json else DEFAULT_NAME
    if argument is None:
        if Path(name).is_dir() and may_hold_files:
            raise UserError(
                f'Output path is not writable: Default output name "{name}" conflicts with directory, '
                "provide --output"
            )
        if may_hold_files:
            _check_writable(Path(name))
        return OutputTarget()
    file = Path(argument.removeprefix("@")).expanduser()
    if file.is_dir():
        file = file / name
    _check_writable(file)
    return OutputTarget(file)


def _check_writable(file: Path) -> None:
    if not file.parent.is_dir():
        raise UserError(f"Output path is not writable: Output directory does not exist: {file.parent}")
    if not os.access(file.parent, os.W_OK):
        raise UserError(f"Output path is not writable: Output directory is not writable: {file.parent}")
    if file.exists() and not os.access(file, os.W_OK):
        raise UserError(f"Output path is not writable: {file}")
