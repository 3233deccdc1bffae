"""`python -m cog.server.http`: it hands its flags to the server, which is somewhere else."""

import pytest
from tests.sdk.bare_python import BarePython

MODULE = ("-m", "cog.server.http")
FLAGS = ["--host", "::", "--x-mode", "train", "--no-such-flag", "", "a b"]


def test_the_server_reads_the_flags(supervisor: BarePython) -> None:
    done = supervisor.run(*MODULE, *FLAGS)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"python -m cog.server.http {FLAGS}\n"


def test_the_server_of_the_image_reads_the_flags(bare_python: BarePython) -> None:
    server = bare_python.folder / "server-python"
    server.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    server.chmod(0o755)
    done = bare_python.run(*MODULE, *FLAGS, COG_SUPERVISOR_PYTHON=str(server))
    assert done.stdout.split("|")[:-1] == ["-P", "-m", "coglet_supervisor", *FLAGS]


@pytest.mark.parametrize("flags", [[], ["--version"]])
def test_without_a_server_it_says_what_to_install(bare_python: BarePython, flags: list[str]) -> None:
    done = bare_python.run(*MODULE, *flags, COG_PREDICT_TYPE_STUB="predict.py:Runner")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ImportError: coglet_supervisor is not installed in this Python; "
        "the server needs: pip install 'pycoglet[server]'"
    )


def test_the_exit_code_of_the_server_is_the_exit_code(supervisor: BarePython) -> None:
    assert supervisor.run(*MODULE, EXIT_CODE="4").returncode == 4
