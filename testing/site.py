"""Builds the documentation site."""

import os
import subprocess
import sys
from pathlib import Path

from testing.pages import ROOT


def build_site(folder: Path) -> None:
    """Build the site strictly, as `scripts/docs` does. Raises AssertionError with the warnings.

    Not quietly: MkDocs then counts no warning.
    """
    done = subprocess.run(
        [Path(sys.executable).with_name("mkdocs"), "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
