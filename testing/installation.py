"""The installation under test: ours, or any other that serves `python -m cog.server.http`."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# Variables that configure a server must come from the test only.
_FOREIGN_PREFIXES: Final = ("COG_", "COGLET_", "LOG_", "OTEL_", "PYTHON", "RUST_", "KUBERNETES_")
_IS_OURS: Final = "import importlib.util as u, sys; sys.exit(u.find_spec('coglet_supervisor') is None)"


@dataclass(frozen=True)
class Installation:
    """An interpreter with a prediction server in it."""

    python: Path
    is_ours: bool

    @classmethod
    def at(cls, python: Path) -> "Installation":
        """Return the installation of an interpreter. Raises FileNotFoundError if there is no interpreter."""
        absolute = Path.cwd() / python  # a link into a virtual environment must stay a link
        found = subprocess.run([absolute, "-c", _IS_OURS], check=False, cwd=absolute.parent)
        return cls(absolute, is_ours=found.returncode == 0)

    def variables(self, extra: Mapping[str, str]) -> dict[str, str]:
        """The environment of a server process: ours, cleaned, and `extra`.

        The interpreter's folder comes first on PATH: the peer starts its worker as whatever `python` names.
        """
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN_PREFIXES)
        }
        path = f"{self.python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {**inherited, "PATH": path, **extra}
