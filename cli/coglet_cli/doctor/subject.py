"""What the checks look at: a folder, its configuration, its Python files. Read anew for each check."""

import ast
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from coglet_cli.config import CogConfig, load_config
from coglet_cli.config.document import Document, InvalidYaml, parse_document
from coglet_cli.errors import ConfigError
from coglet_cli.project.folder import Project

_NOT_SOURCE: Final = frozenset({"__pycache__", "node_modules", "site-packages"})


class Skipped(Exception):
    """The subject of a check cannot be read, or the check is turned off; the message says why."""


@dataclass(frozen=True)
class Module:
    """A Python file of the project."""

    file: str
    source: bytes
    tree: ast.Module


@dataclass(frozen=True)
class Subject:
    """The project in `folder`; its configuration may be missing or broken."""

    folder: Path
    config_name: str

    @property
    def config_file(self) -> Path:
        """The configuration, whether it exists or not."""
        return self.folder / self.config_name

    @property
    def project(self) -> Project:
        """The same folder for those who build and serve it."""
        return Project(self.folder, self.config_file)

    @cached_property
    def document(self) -> Document:
        """The configuration as plain data. Raises Skipped when there is no such thing."""
        try:
            return parse_document(self.config_file.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, InvalidYaml):
            raise Skipped(f"{self.config_name} cannot be read") from None

    @property
    def data(self) -> Mapping[str, Any]:
        """The configuration, of which any value may be wrong. Raises Skipped when it has no keys at all."""
        data: Any = self.document.data
        if not isinstance(data, Mapping):
            raise Skipped(f"{self.config_name} is no mapping")
        return data

    @cached_property
    def config(self) -> CogConfig:
        """The configuration, when it is valid. Raises Skipped when it is not."""
        try:
            return load_config(self.config_file, self.folder).config
        except ConfigError:
            raise Skipped(f"{self.config_name} is not valid") from None

    def references(self) -> Iterator[tuple[str, str, str]]:
        """Key, file and name of each reference to Python that is well formed."""
        for key in ("run", "predict", "train"):
            reference = self.data.get(key)
            if isinstance(reference, str):
                file, colon, name = reference.rpartition(":")
                if colon and file.endswith(".py") and name:
                    yield key, file, name

    def module(self, file: str) -> Module | None:
        """A Python file of the project; None when it is missing, or newer Python than ours."""
        try:
            source = (self.folder / file).read_bytes()
            return Module(file, source, parse_python(source))
        except (OSError, SyntaxError, ValueError):
            return None

    def modules(self) -> Iterator[Module]:
        """All Python files of the project, without environments and hidden folders."""
        for parent, folders, files in os.walk(self.folder):
            folders[:] = sorted(name for name in folders if _may_hold_source(Path(parent, name)))
            for name in sorted(files):
                if name.endswith(".py"):
                    file = Path(parent, name).relative_to(self.folder).as_posix()
                    if module := self.module(file):
                        yield module


def parse_python(source: bytes | str) -> ast.Module:
    """The tree of Python source, without the compiler's warnings. Raises SyntaxError and ValueError."""
    with warnings.catch_warnings(action="ignore"):
        return ast.parse(source)


def _may_hold_source(folder: Path) -> bool:
    is_environment = (folder / "pyvenv.cfg").exists()
    return not is_environment and folder.name not in _NOT_SOURCE and not folder.name.startswith(".")
