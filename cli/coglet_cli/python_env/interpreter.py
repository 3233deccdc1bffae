"""Finds a Python interpreter of a given version on this machine."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coglet_cli.errors import UserError

_SHOW_VERSION: Final = "import sys; print('%d.%d.%d' % sys.version_info[:3])"
_TIMEOUT_S: Final = 10


class NoInterpreter(UserError):
    """The Python version in cog.yaml was not found on this machine."""

    def __init__(self, version: str, *, has_uv: bool) -> None:
        install = f"install it, for example with `uv python install {version}`" if has_uv else "install it"
        super().__init__(
            f"build.python_version asks for Python {version}, but none was found on PATH, in pyenv or by uv",
            hint=f"{install}, name an interpreter with --python, or run the model with --docker",
        )


@dataclass(frozen=True)
class Interpreter:
    """A Python and its full version."""

    path: str
    version: str

    def is_exactly(self, wanted: str) -> bool:
        """Return True if it matches `3.12` or `3.12.4`, whichever is wanted."""
        return self.version == wanted or minor(wanted) == wanted

    def has_minor_of(self, wanted: str) -> bool:
        """Return True if major and minor version are the wanted ones."""
        return minor(self.version) == minor(wanted)


def minor(version: str) -> str:
    """Return `3.12` for `3.12.4`."""
    return ".".join(version.split(".")[:2])


def choose_interpreter(wanted: str, environ: Mapping[str, str], uv: str | None) -> Interpreter:
    """Return a Python of the version `wanted`, or another patch release of it if there is no exact match.

    Tries the Python that runs cog, PATH, pyenv and uv, in this order. Raises NoInterpreter.
    """
    similar = None
    for found in _interpreters(minor(wanted), environ, uv):
        if found.has_minor_of(wanted):
            if found.is_exactly(wanted):
                return found
            similar = similar or found
    if similar is None:
        raise NoInterpreter(wanted, has_uv=uv is not None)
    return similar


def _interpreters(version: str, environ: Mapping[str, str], uv: str | None) -> Iterator[Interpreter]:
    yield Interpreter(sys.executable, "{}.{}.{}".format(*sys.version_info[:3]))
    for folder in environ.get("PATH", "").split(os.pathsep):
        # All of PATH: the first match may be a pyenv shim for a version that is not active.
        yield from _probe(shutil.which(f"python{version}", path=folder or os.curdir))
    for python in _in_pyenv(version, environ):
        yield from _probe(str(python))
    if uv is not None:
        yield from _probe(_known_to_uv(uv, version, environ))


def _in_pyenv(version: str, environ: Mapping[str, str]) -> list[Path]:
    """Return the interpreters of that version in pyenv, newest first."""
    root = Path(environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    return sorted(root.glob(f"versions/{version}*/bin/python"), key=_numbers, reverse=True)


def _numbers(python: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", python.parts[-3])]


def _known_to_uv(uv: str, version: str, environ: Mapping[str, str]) -> str | None:
    command = [uv, "python", "find", "--no-project", "--system", "--no-python-downloads", version]
    return _output(command, environ)


def _probe(path: str | None) -> Iterator[Interpreter]:
    if path is not None and (version := _output([path, "-I", "-S", "-c", _SHOW_VERSION], os.environ)):
        yield Interpreter(os.path.abspath(path), version)


def _output(command: list[str], environ: Mapping[str, str]) -> str | None:
    try:
        done = subprocess.run(
            command, env=environ, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
