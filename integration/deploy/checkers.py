"""The programs that check the files in deploy/, and the files."""

import os
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
GRACE_S: Final = 20
"""The grace time that all files set, which is the default."""
MORE_S: Final = 6
"""What a shutdown takes after it at most."""

_PYTHON: Final = os.environ.get("PYCOGLET_DEPLOY_PYTHON", "")


def check(*command: object) -> str:
    """Run a command of the environment with the checkers; return what it prints. It must succeed."""
    if not _PYTHON:
        pytest.skip("scripts/test makes the environment with kubernetes-validate and others")
    done = subprocess.run(
        [Path(_PYTHON).parent / str(command[0]), *map(str, command[1:])],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def documents(file: str) -> dict[str, Any]:
    """Return the documents of a file of deploy/kubernetes, by kind."""
    loaded = yaml.safe_load_all((DEPLOY / "kubernetes" / file).read_text())
    return {document["kind"]: document for document in loaded}
