"""Failing writes to stdout: a full disk, or a closed pipe."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from integration.cli_process import COG

pytestmark = pytest.mark.ours("the command line is not part of the server")

SCHEMA_TOOL: Final = (sys.executable, "-m", "coglet_schema")
COMMANDS: Final = pytest.mark.parametrize(
    "command",
    [
        *((*COG, *shlex.split(words)) for words in (
            "--version", "predict --help", "schema", "completion bash", "debug --use-cog-base-image false",
            "weights status --json", "predict", "predict --json {}",
        )),
        (*SCHEMA_TOOL, ".", "run.py:run"),
    ],
    ids=lambda command: " ".join(command[2:]),
)  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "cog.yaml").write_text("run: run.py:run\nmodel: localhost/me/model\n")
    (tmp_path / "run.py").write_text("def run() -> str:\n    return 'x' * 100_000\n")
    return tmp_path


def stderr_without_stdout(project: Path, command: tuple[str, ...], stdout: int) -> str:
    """Run a failing command with this stdout and return its stderr."""
    done = subprocess.run(
        command, cwd=project, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, check=False
    )
    assert done.returncode == 1
    return done.stderr.decode()


@COMMANDS
def test_a_full_disk_is_reported(project: Path, command: tuple[str, ...]) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        *_, last = stderr_without_stdout(project, command, full).splitlines()
    finally:
        os.close(full)
    assert last.endswith(": No space left on device")


@COMMANDS
def test_a_closed_pipe_is_silent(project: Path, command: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        stderr = stderr_without_stdout(project, command, writer)
    finally:
        os.close(writer)
    assert "error:" not in stderr
    assert "Traceback" not in stderr
    assert "Exception" not in stderr
