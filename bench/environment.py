"""One virtual environment a side, both of the interpreter that runs the benchmark, kept in `.bench/`."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Side = Literal["ours", "peer"]

REPOSITORY: Final = Path(__file__).resolve().parent.parent
PEER_REQUIREMENTS: Final = ("cog==0.23.1", "coglet==0.23.1")
# What configures a server or its interpreter must come from the scenario alone, so that both sides run alike.
_FOREIGN_PREFIXES: Final = ("COG_", "COGLET_", "LOG_", "OTEL_", "PYTHON", "RUST_")


@dataclass(frozen=True)
class Environment:
    """A side's installed server."""

    side: Side
    folder: Path

    @property
    def python(self) -> Path:
        """The interpreter of the environment."""
        return self.folder / "bin" / "python"

    def variables(self, extra: Mapping[str, str]) -> dict[str, str]:
        """The variables for a server process: the caller's, cleaned, with this environment first on PATH.

        The peer starts its worker as whatever `python` PATH names first.
        """
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN_PREFIXES)
        }
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {**inherited, "PATH": path, "VIRTUAL_ENV": str(self.folder), **extra}

    def distribution(self) -> str:
        """Name and version of the installed server, as its own metadata states them."""
        name = "pycoglet" if self.side == "ours" else "coglet"
        code = f"import importlib.metadata as m; print('{name}', m.version('{name}'))"
        answer = subprocess.run([self.python, "-c", code], check=True, capture_output=True, text=True)
        return answer.stdout.strip()


def prepare(side: Side) -> Environment:
    """Return the environment of a side, created or renewed when its requirements have changed."""
    environment = Environment(side, REPOSITORY / ".bench" / side)
    requirements = _requirements(side)
    stamp = environment.folder / "made-of.txt"
    made_of = _fingerprint(requirements)
    if stamp.is_file() and stamp.read_text() == made_of:
        return environment
    print(f"making the environment of {side}: {' '.join(requirements)}", file=sys.stderr)
    shutil.rmtree(environment.folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", environment.folder], check=True)
    install = [str(environment.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *requirements], check=True)
    # Written last: an interrupted installation is made anew.
    stamp.write_text(made_of)
    return environment


def _requirements(side: Side) -> Sequence[str]:
    # Editable: what is measured is always the source as it is now.
    return PEER_REQUIREMENTS if side == "peer" else ("--editable", f"{REPOSITORY}[all]")


def _fingerprint(requirements: Sequence[str]) -> str:
    project = hashlib.sha256((REPOSITORY / "pyproject.toml").read_bytes()).hexdigest()
    ours = [project] if "--editable" in requirements else []
    return "\n".join([sys.version, *requirements, *ours])
