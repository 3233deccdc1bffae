"""The two ways to make a virtual environment and install packages: uv, or Python's venv and pip."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

# The names of pip's settings and their names in uv.
# Source: https://docs.astral.sh/uv/reference/environment/
_UV_NAMES: Final = {
    "PIP_INDEX_URL": ("UV_INDEX_URL", "UV_DEFAULT_INDEX"),
    "PIP_EXTRA_INDEX_URL": ("UV_EXTRA_INDEX_URL", "UV_INDEX"),
    "PIP_FIND_LINKS": ("UV_FIND_LINKS",),
    "PIP_CONSTRAINT": ("UV_CONSTRAINT",),
    "PIP_TRUSTED_HOST": ("UV_INSECURE_HOST",),
    "PIP_CERT": ("SSL_CERT_FILE",),
}
# With these, pip would install outside the environment that it runs in.
_MISLEADING: Final = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV")


class Installer(Protocol):
    """Returns commands and their environment variables, without running them."""

    name: str

    def create(self, python: str, place: Path) -> list[str]:
        """Return the command that makes an empty virtual environment at `place`."""

    def install(self, place: Path, what: Sequence[str]) -> list[str]:
        """Return the command that installs `what`, arguments for pip, into the environment at `place`."""

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the user's environment variables, adapted to this installer."""


class Uv:
    """uv: fast, and stores one copy of a package for all environments."""

    name = "uv"

    def __init__(self, path: str) -> None:
        self._path = path

    def create(self, python: str, place: Path) -> list[str]:
        """Return the command that makes an empty virtual environment at `place`."""
        # Without --no-project, a pyproject.toml above the model could reject this Python.
        quietly = ["--quiet", "--no-project", "--no-python-downloads"]
        return [self._path, "venv", *quietly, "--python", python, str(place)]

    def install(self, place: Path, what: Sequence[str]) -> list[str]:
        """Return the command that installs `what`, arguments for pip, into the environment at `place`."""
        # The only setting of pip for which uv has no variable.
        offline = ["--no-index"] if os.environ.get("PIP_NO_INDEX", "0").lower() not in _FALSE else []
        return [self._path, "pip", "install", "--python", str(python_of(place)), *offline, *what]

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the user's variables, with pip's settings under uv's names unless those are set."""
        wanted = dict(environ)
        for theirs, names in _UV_NAMES.items():
            if theirs in environ and not any(name in environ for name in names):
                wanted[names[0]] = environ[theirs]
        return wanted


class VenvAndPip:
    """venv and pip: available everywhere, slower."""

    name = "pip"

    def create(self, python: str, place: Path) -> list[str]:
        """Return the command that makes an empty virtual environment at `place`."""
        return [python, "-I", "-m", "venv", str(place)]

    def install(self, place: Path, what: Sequence[str]) -> list[str]:
        """Return the command that installs `what`, arguments for pip, into the environment at `place`."""
        flags = ["--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
        return [str(python_of(place)), "-I", "-m", "pip", "install", *flags, *what]

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the user's variables without those that make pip install elsewhere."""
        return {name: value for name, value in environ.items() if name not in _MISLEADING}


_FALSE: Final = ("", "0", "n", "no", "f", "false", "off")


def python_of(place: Path) -> Path:
    """Return the interpreter of a virtual environment."""
    return place / "bin" / "python"


def find_uv(environ: Mapping[str, str]) -> str | None:
    """Return the path of uv: next to the Python that runs cog, else on PATH; None if there is none."""
    beside = os.path.dirname(sys.executable)
    return shutil.which("uv", path=os.pathsep.join([beside, environ.get("PATH", "")]))
