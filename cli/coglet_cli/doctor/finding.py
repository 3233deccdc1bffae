"""Checks and their findings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from coglet_cli.doctor.subject import Subject
from coglet_cli.errors import UserError


class Level(Enum):
    """The severity of a check's findings. Errors make the command fail."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One problem; `line` counts from 1."""

    message: str
    file: str | None = None
    line: int | None = None
    remediation: str | None = None

    @property
    def text(self) -> str:
        """The finding in one line: `run.py:3 — message`."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place} — {self.message}" if self.file else self.message


class CannotFix(UserError):
    """A finding that cannot be fixed automatically; the message says why."""


@dataclass(frozen=True)
class Check:
    """One check of the folder or the machine. `fix` writes files, or raises CannotFix."""

    name: str
    level: Level
    look: Callable[[Subject], Sequence[Finding]]
    fix: Callable[[Subject], None] | None = None
