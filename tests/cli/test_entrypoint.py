"""The entry point of images: which arguments start the server, and how other commands run."""

import subprocess
import sys

import pytest

from coglet_cli.images import entrypoint


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        ("", ""),
        ("--host ::", "--host ::"),
        ("python -m cog.server.http", ""),
        ("python3 -m cog.server.http --x-mode train", "--x-mode train"),
        ("/usr/local/bin/python3.12 -m cog.server.http -v", "-v"),
        ("python --check-hash-based-pycs never -u -X dev -m cog.server.http --host ::", "--host ::"),
    ],
)
def test_the_server_and_its_flags(command: str, flags: str) -> None:
    assert entrypoint.server_flags(command.split()) == flags.split()


@pytest.mark.parametrize(
    "command",
    [
        "bash",
        "python",
        "python predict.py -m cog.server.http",
        "python -c pass -m cog.server.http",
        "python -m http.server",
        "python -m",
        "pythonic -m cog.server.http",
        "uv run python -m cog.server.http",
    ],
)
def test_other_commands(command: str) -> None:
    assert entrypoint.server_flags(command.split()) is None


def test_if_another_process_is_pid_1_it_execs_the_command() -> None:
    script = "import os, signal; print(os.getpid(), signal.getsignal(signal.SIGPIPE).name)"
    own = [sys.executable, "-S", "-c", script]
    with subprocess.Popen(
        [sys.executable, entrypoint.__file__, *own], stdout=subprocess.PIPE, text=True
    ) as process:
        out, _ = process.communicate()
    # Python ignores SIGPIPE from its start, and so does the Python that prints this.
    assert (out, process.returncode) == (f"{process.pid} SIG_IGN\n", 0)


def test_a_command_that_does_not_exist() -> None:
    done = subprocess.run(
        [sys.executable, entrypoint.__file__, "none-such"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (
        127,
        "error: cannot run none-such: No such file or directory\n",
    )
