"""A Python that has the SDK and no installed package."""

import os
import subprocess
import sys
from pathlib import Path

import cog

SDK = Path(cog.__file__).resolve().parents[1]


class BarePython:
    """Runs code in a Python without site packages, with only the SDK and what the test adds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        path = os.pathsep.join([str(self.folder), str(SDK)])
        return subprocess.run(
            [sys.executable, "-S", *arguments],
            env={"PYTHONPATH": path, "PATH": os.environ["PATH"], **environment},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def add_package(self, name: str, **modules: str) -> None:
        """Write a package with the given modules into a folder on the import path."""
        package = self.folder / name
        package.mkdir()
        for module, source in {"__init__": "", **modules}.items():
            (package / f"{module}.py").write_text(source)
