"""Fixtures of the SDK's tests."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from testing.receiver import Receiver
from tests.sdk.bare_python import BarePython


@pytest.fixture
def bare_python(tmp_path: Path) -> BarePython:
    return BarePython(tmp_path)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Return a function that writes a module in a new working directory and returns its file name."""
    monkeypatch.chdir(tmp_path)

    def write(source: str) -> str:
        monkeypatch.delitem(sys.modules, "predict_under_test", raising=False)
        (tmp_path / "predict_under_test.py").write_text(source)
        return "predict_under_test.py"

    return write


@pytest.fixture(autouse=True)
def no_influence_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "COG_USER_AGENT", "COG_WEIGHTS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def web() -> Iterator[Receiver]:
    """A web server to download from."""
    with Receiver({}).listening() as receiver:
        yield receiver


@pytest.fixture
def temp_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go, empty at first."""
    folder = tmp_path / "temporary files"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


# A fake supervisor: prints its arguments and returns the exit code that it is given.
FAKE_SUPERVISOR = """
import os
def serve(ref, **options):
    print(ref, sorted(options.items()))
    return int(os.environ.get("EXIT_CODE", "0"))
"""
FAKE_COMMAND_LINE = """
import os
def main(arguments, program):
    print(program, arguments)
    return int(os.environ.get("EXIT_CODE", "0"))
"""


@pytest.fixture
def supervisor(bare_python: BarePython) -> BarePython:
    bare_python.add_package("coglet_supervisor", main=FAKE_SUPERVISOR, command_line=FAKE_COMMAND_LINE)
    return bare_python
