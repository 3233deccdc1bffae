"""The two ways to make a virtual environment and to put packages into it: uv, or what Python has itself."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

# What pip calls it, and what uv does. https://docs.astral.sh/uv/reference/environment/
_UV_NAMES: Final = {
    "PIP_INDEX_URL": ("UV_INDEX_URL", "UV_DEFAULT_INDEX"),
    "PIP_EXTRA_INDEX_URL": ("UV_EXTRA_INDEX_URL", "UV_INDEX"),
    "PIP_FIND_LINKS": ("UV_FIND_LINKS",),
    "PIP_CONSTRAINT": ("UV_CONSTRAINT",),
    "PIP_TRUSTED_HOST": ("UV_INSECURE_HOST",),
    "PIP_CERT": ("SSL_CERT_FILE",),
}
# They would lead pip away from the environment that it runs in.
_MISLEADING: Final = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV")


class Installer(Protocol):
    """Says which commands to run, in which environment; runs none."""

    name: str

    def create(self, python: str, place: Path) -> list[str]:
        """Makes an empty virtual environment."""

    def install(self, place: Path, what: Sequence[str]) -> list[str]:
        """Installs `what`, as arguments of pip, into it."""

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The variables of the person who runs cog, as this installer understands them."""


class Uv:
    """Fast, and keeps one copy of a package for all environments."""

    name = "uv"

    def __init__(self, path: str) -> None:
        self._path = path

    def create(self, python: str, place: Path) -> list[str]:
        """Makes an empty virtual environment."""
        # Without --no-project a pyproject.toml around the model could refuse this Python.
        quietly = ["--quiet", "--no-project", "--no-python-downloads"]
        return [self._path, "venv", *quietly, "--python", python, str(place)]

    def install(self, place: Path, what: Sequence[str]) -> list[str]:
        """Installs `what`, as arguments of pip, into it."""
        # The one setting of pip that is no variable of uv.
        offline = ["--no-index"] if os.environ.get("PIP_NO_INDEX", "0").lower() not in _FALSE else []
        return [self._path, "pip", "install", "--python", str(python_of(place)), *offline, *what]

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The user's own, with the settings of pip under the names of uv, unless those are set."""
        wanted = dict(environ)
        for theirs, names in _UV_NAMES.items():
            if theirs in environ and not any(name in environ for name in names):
                wanted[names[0]] = environ[theirs]
        return wanted


class VenvAndPip:
    """Everywhere, slower."""

    name = "pip"

    def create(self, python: str, place: Path) -> list[str]:
        """Makes an empty virtual environment."""
        return [python, "-I", "-m", "venv", str(place)]

    def install(self, place: Path, what: Sequence[str]) -> list[str]:
        """Installs `what`, as arguments of pip, into it."""
        flags = ["--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
        return [str(python_of(place)), "-I", "-m", "pip", "install", *flags, *what]

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The user's own."""
        return {name: value for name, value in environ.items() if name not in _MISLEADING}


_FALSE: Final = ("", "0", "n", "no", "f", "false", "off")


def python_of(place: Path) -> Path:
    """The interpreter of a virtual environment."""
    return place / "bin" / "python"


def find_uv(environ: Mapping[str, str]) -> str | None:
    """uv beside the Python that runs cog, else on PATH."""
    beside = os.path.dirname(sys.executable)
    return shutil.which("uv", path=os.pathsep.join([beside, environ.get("PATH", "")]))
