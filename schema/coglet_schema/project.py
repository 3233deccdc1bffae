"""The model's folder: finds the file of a module name, and parses each file once.

Nothing outside the folder is read, and at most MAX_SOURCE_BYTES.
"""

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from typing import Final

from coglet_schema.errors import ErrorKind, SchemaError
from coglet_schema.syntax.definitions import Body
from coglet_schema.syntax.parser import parse_module
from coglet_schema.syntax.source import Source, read_source

# Work allowed for one schema, because constants, aliases and models can grow exponentially.
MAX_STEPS: Final = 50_000

# For all files that one schema needs. Parsing this much takes about half a second.
MAX_SOURCE_BYTES: Final = 2 * 1024 * 1024


@dataclass(frozen=True, eq=False)
class Module:
    """A file of the project."""

    project: "Project"
    source: Source
    # The package that relative imports start from.
    package: tuple[str, ...]
    dotted_name: tuple[str, ...]
    body: Body


@dataclass(frozen=True)
class Namespace:
    """A folder of the project without `__init__.py`."""

    project: "Project"
    dotted_name: tuple[str, ...]


class Project:
    """Owns the parsed files of one source directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._real_root = os.path.realpath(root)
        self._modules: dict[PurePosixPath, Module] = {}
        self._found: dict[tuple[str, ...], Module | Namespace | None] = {}
        self._bytes_left = MAX_SOURCE_BYTES
        self._steps_left = MAX_STEPS

    def spend(self, steps: int = 1) -> None:
        """Count steps of work: 1 for a literal. Raises SchemaError if a schema exceeds MAX_STEPS."""
        self._steps_left -= steps
        if self._steps_left < 0:
            message = "the schema is too large: its types and literals multiply each other"
            raise SchemaError(ErrorKind.OTHER, message, hint="annotate large structures as `dict`")

    def open(self, path: str) -> Module:
        """Return the module in the file `path`, which is relative to the source directory.

        Raises SchemaError if the file is outside it, cannot be read, or is not Python.
        """
        relative = PurePosixPath(os.path.normpath(path))
        try:
            if relative.is_absolute() or relative.parts[:1] == ("..",) or not self._contains(relative):
                message = f'predictor source path "{path}" is outside source directory'
                raise SchemaError(ErrorKind.OTHER, message, hint="give it relative to the source directory")
            return self._module(relative, _dotted_name(relative))
        except (OSError, ValueError) as error:  # ValueError: a null character in the path
            reason = getattr(error, "strerror", None) or str(error)
            message = f"failed to read predictor source {self._root / relative}: {reason}"
            raise SchemaError(ErrorKind.OTHER, message) from None

    def find(self, dotted_name: tuple[str, ...]) -> Module | Namespace | None:
        """Return the module that `import a.b` means; None if the project has no such module.

        Raises SchemaError if its file is outside the source directory, cannot be read, or is not Python.
        """
        if dotted_name not in self._found:
            self._found[dotted_name] = self._search(dotted_name)
        return self._found[dotted_name]

    def _search(self, dotted_name: tuple[str, ...]) -> Module | Namespace | None:
        if not dotted_name:  # `from . import x` in a file of the source directory itself
            return Namespace(self, ())
        folder = PurePosixPath(*dotted_name)
        for candidate in (folder / "__init__.py", folder.with_suffix(".py")):
            for path in (candidate, candidate.with_suffix(".pyi")):
                if self._exists(path):
                    return self._imported(path, dotted_name)
        return Namespace(self, dotted_name) if os.path.isdir(self._root / folder) else None

    def _exists(self, path: PurePosixPath) -> bool:
        return os.path.lexists(self._root / path)

    def _imported(self, path: PurePosixPath, dotted_name: tuple[str, ...]) -> Module:
        name = ".".join(dotted_name)
        if not self._contains(path):
            message = f"module {name} ({path}) leads outside the source directory"
            raise SchemaError(ErrorKind.OTHER, message, hint="copy the file into the source directory")
        try:
            return self._module(path, dotted_name)
        except OSError as error:
            message = f"failed to read module {name} ({path}): {error.strerror or error}"
            raise SchemaError(ErrorKind.OTHER, message) from None

    def _module(self, path: PurePosixPath, dotted_name: tuple[str, ...]) -> Module:
        if path not in self._modules:
            full_path = self._root / path
            # Opening a named pipe would block until a writer opens it.
            if not S_ISREG(full_path.stat().st_mode):
                raise OSError(0, "not a regular file")
            source = read_source(full_path, str(path), self._bytes_left)
            self._bytes_left -= len(source.text)
            is_package = path.stem == "__init__"
            package = dotted_name if is_package else dotted_name[:-1]
            self._modules[path] = Module(self, source, package, dotted_name, parse_module(source))
        return self._modules[path]

    def _contains(self, path: PurePosixPath) -> bool:
        real = os.path.realpath(self._root / path)
        return real.startswith(os.path.join(self._real_root, ""))


def _dotted_name(path: PurePosixPath) -> tuple[str, ...]:
    return path.parts[:-1] if path.stem == "__init__" else (*path.parts[:-1], path.stem)
