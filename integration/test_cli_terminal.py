"""`cog` on a terminal: color, streamed text, and Ctrl-C as a key."""

import os
from pathlib import Path
from typing import Final

import pytest
from integration.cli_process import start_cog_on_terminal

pytestmark = pytest.mark.ours("the command line is not part of the server")

# Continues when the test has seen the output so far.
MODEL: Final = """
import time
from pathlib import Path
from cog import BaseRunner, ConcatenateIterator, streaming

class Runner(BaseRunner):
    @streaming
    def run(self) -> ConcatenateIterator[str]:
        yield "one "
        while not Path("seen").exists():
            time.sleep(0.01)
        print("a log line")
        while not Path("logged").exists():
            time.sleep(0.01)
        yield "two"
"""
CTRL_C: Final = b"\x03"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "cog.yaml").write_text("run: run.py:Runner\n")
    (tmp_path / "run.py").write_text(MODEL)
    return tmp_path


def test_text_is_shown_as_it_is_streamed(project: Path) -> None:
    with start_cog_on_terminal(project, "predict") as (cog, _):
        cog.wait_shown("one ")
        (project / "seen").touch()
        cog.wait_shown("a log line")
        (project / "logged").touch()
        assert cog.wait_exit() == 0
    # A log line between two pieces starts on a new line.
    assert cog.out.replace("\r\n", "\n").endswith("one \na log line\ntwo\n")


def test_ctrl_c(project: Path) -> None:
    with start_cog_on_terminal(project, "predict") as (cog, keyboard):
        cog.wait_shown("one ")
        os.write(keyboard, CTRL_C)
        assert cog.wait_exit() == 130
    assert "Canceling the prediction..." in cog.out


def test_ctrl_c_stops_a_server_with_exit_code_0(project: Path) -> None:
    with start_cog_on_terminal(project, "serve", "-p", "0") as (cog, keyboard):
        cog.wait_shown("The model is ready")
        os.write(keyboard, CTRL_C)
        assert cog.wait_exit() == 0


def test_messages_are_colored_and_results_are_not(project: Path) -> None:
    (project / "seen").touch()
    (project / "logged").touch()
    with start_cog_on_terminal(project, "predict", "-o", "answer") as (cog, _):
        assert cog.wait_exit() == 0
    assert "\x1b[36m ⚙ \x1b[0mRunning prediction..." in cog.out
    assert "\x1b[32m ✔ \x1b[0mWritten output to: answer" in cog.out
    assert (project / "answer").read_text() == "one two"


def test_color_can_be_disabled(project: Path) -> None:
    with start_cog_on_terminal(project, "predict", "-i", "x=1", "--no-color") as (cog, _):
        assert cog.wait_exit() == 1
    assert cog.out == 'error: unknown input "x"; model does not accept inputs\r\n'


def test_long_messages_are_wrapped_at_words(project: Path) -> None:
    names = [f"-iname_{index}=1" for index in range(12)]
    with start_cog_on_terminal(project, "predict", *names) as (cog, _):
        assert cog.wait_exit() == 1
    assert max(len(line) for line in cog.out.splitlines()) <= 110
    assert '"name_11"; model does not accept inputs' in cog.out.replace("\r\n", " ")
