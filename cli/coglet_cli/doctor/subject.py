"""The subject of the checks: a folder, its configuration and its Python files."""

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
        """The path of the configuration, whether it exists or not."""
        return self.folder / self.config_name

    @property
    def project(self) -> Project:
        """The same folder as a Project, for code that builds or serves it."""
        return Project(self.folder, self.config_file)

    @cached_property
    def document(self) -> Document:
        """The configuration as plain data. Raises Skipped if it cannot be read or parsed."""
        try:
            return parse_document(self.config_file.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, InvalidYaml):
            raise Skipped(f"{self.config_name} cannot be read") from None

    @property
    def data(self) -> Mapping[str, Any]:
        """The configuration, not validated. Raises Skipped if it is not a mapping."""
        data: Any = self.document.data
        if not isinstance(data, Mapping):
            raise Skipped(f"{self.config_name} is not a mapping")
        return data

    @cached_property
    def config(self) -> CogConfig:
        """The validated configuration. Raises Skipped if it is not valid."""
        try:
            return load_config(self.config_file, self.folder).config
        except ConfigError:
            raise Skipped(f"{self.config_name} is not valid") from None

    def references(self) -> Iterator[tuple[str, str, str]]:
        """Yield key, file and name of each well-formed reference to Python code."""
        for key in ("run", "predict", "train"):
            reference = self.data.get(key)
            if isinstance(reference, str):
                file, colon, name = reference.rpartition(":")
                if colon and file.endswith(".py") and name:
                    yield key, file, name

    def module(self, file: str) -> Module | None:
        """Return a Python file of the project, None if it is missing or cannot be parsed by this Python."""
        try:
            source = (self.folder / file).read_bytes()
            return Module(file, source, parse_python(source))
        except (OSError, SyntaxError, ValueError):
            return None

    def modules(self) -> Iterator[Module]:
        """Yield all Python files of the project, except in environments and hidden folders."""
        for parent, folders, files in os.walk(self.folder):
            folders[:] = sorted(name for name in folders if _may_hold_source(Path(parent, name)))
            for name in sorted(files):
                if name.endswith(".py"):
                    file = Path(parent, name).relative_to(self.folder).as_posix()
                    if module := self.module(file):
                        yield module


def parse_python(source: bytes | str) -> ast.Module:
    """Return the syntax tree of Python source, without compiler warnings.

    Raises SyntaxError or ValueError if the source is not valid Python.
    """
    with warnings.catch_warnings(action="ignore"):
        return ast.parse(source)


def _may_hold_source(folder: Path) -> bool:
    is_environment = (folder / "pyvenv.cfg").exists()
    return not is_environment and folder.name not in _NOT_SOURCE and not folder.name.startswith(".")
