"""Running `cog doctor` in the folder of a test."""

from pathlib import Path

import pytest

from coglet_cli.main import main

HEALTHY = """\
from cog import BaseRunner
class Runner(BaseRunner):
    def run(self, n: int) -> int:
        return n
"""


def doctor(capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, str]:
    """Run `cog doctor` and return the exit code and the text on stderr."""
    code = main(["doctor", *flags])
    out, err = capsys.readouterr()
    assert out == ""
    return code, err


def write(folder: Path, config: str, **files: str) -> None:
    (folder / "cog.yaml").write_text(config)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
