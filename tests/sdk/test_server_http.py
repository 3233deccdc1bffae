"""`python -m cog.server.http`: flags, environment, exit codes."""

import pytest
from tests.sdk.bare_python import BarePython

import coglet

MODULE = ("-m", "cog.server.http")


@pytest.mark.parametrize("flag", ["-v", "--version"])
def test_the_version_is_printed_under_our_own_name(bare_python: BarePython, flag: str) -> None:
    done = bare_python.run(*MODULE, flag)
    assert (done.returncode, done.stdout) == (0, f"pycoglet {coglet.__version__}\n")


def test_the_defaults(supervisor: BarePython) -> None:
    done = supervisor.run(*MODULE, COG_PREDICT_TYPE_STUB="predict.py:Predictor")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "predict.py:Predictor [('await_explicit_shutdown', False), ('host', '0.0.0.0'), ('is_train', False), "
        "('port', 5000), ('upload_url', None)]\n"
    )


def test_every_flag_reaches_the_server(supervisor: BarePython) -> None:
    flags = ["--host", "127.0.0.1", "--upload-url", "http://u/", "--x-mode", "train", "--threads", "4"]
    done = supervisor.run(
        *MODULE, *flags, "--await-explicit-shutdown", COG_TRAIN_TYPE_STUB="t.py:f", PORT="0"
    )
    assert done.stdout == (
        "t.py:f [('await_explicit_shutdown', True), ('host', '127.0.0.1'), ('is_train', True), "
        "('port', 0), ('upload_url', 'http://u/')]\n"
    )


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--await-explicit-shutdown"], True),
        (["--await-explicit-shutdown", "true"], True),
        (["--await-explicit-shutdown=1"], True),
        (["--await-explicit-shutdown", "False"], False),
        (["--await-explicit-shutdown=no"], False),
        (["--await-explicit-shutdown", ""], False),
    ],
)
def test_await_explicit_shutdown_means_what_it_says(
    supervisor: BarePython, flags: list[str], expected: bool
) -> None:
    done = supervisor.run(*MODULE, *flags, COG_PREDICT_TYPE_STUB="p.py")
    assert f"('await_explicit_shutdown', {expected})" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("mode", "variable"), [("predict", "COG_PREDICT_TYPE_STUB"), ("train", "COG_TRAIN_TYPE_STUB")]
)
def test_without_a_model_it_names_the_variable(bare_python: BarePython, mode: str, variable: str) -> None:
    done = bare_python.run(*MODULE, "--x-mode", mode)
    first, *hints = done.stderr.splitlines()
    assert done.returncode == 1
    assert first == f"ERROR: {variable} environment variable is not set."
    assert len(hints) == 2


@pytest.mark.parametrize(
    "flags",
    [["--port", "1"], ["--x-mode", "serve"], ["--await-explicit-shutdown", "perhaps"], ["--threads", "x"]],
)
def test_wrong_flags_are_usage_errors(bare_python: BarePython, flags: list[str]) -> None:
    done = bare_python.run(*MODULE, *flags, COG_PREDICT_TYPE_STUB="p.py")
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")


@pytest.mark.parametrize("port", ["http", "-1", "65536", "80.5"])
def test_a_port_that_is_none_is_refused(bare_python: BarePython, port: str) -> None:
    done = bare_python.run(*MODULE, COG_PREDICT_TYPE_STUB="p.py", PORT=port)
    assert done.returncode == 1
    assert done.stderr == (
        f"ERROR: PORT is {port!r}; set it to a number from 0 to 65535, or unset it for 5000.\n"
    )


def test_the_exit_code_of_the_server_is_the_exit_code(supervisor: BarePython) -> None:
    assert supervisor.run(*MODULE, COG_PREDICT_TYPE_STUB="p.py", EXIT_CODE="4").returncode == 4
