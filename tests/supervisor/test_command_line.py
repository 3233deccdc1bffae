"""runtime.md 15.1: the flags of the server."""

import pytest

from coglet_supervisor.command_line import main, parser


def read(*flags: str) -> dict[str, object]:
    return vars(parser("server").parse_args(flags))


def test_the_defaults() -> None:
    assert read() == {
        "ref": None,
        "host": "0.0.0.0",
        "port": None,
        "unix": None,
        "unix_mode": None,
        "certfile": None,
        "keyfile": None,
        "ca_certs": None,
        "upload_url": None,
        "x_mode": "predict",
        "threads": None,
        "exit_with_stdin": False,
        "await_explicit_shutdown": False,
    }


def test_every_flag_is_read() -> None:
    flags = ["--host", "::1", "--port", "80", "--upload-url", "http://u/", "--x-mode", "train"]
    flags += [
        "--unix",
        "s.sock",
        "--unix-mode",
        "0600",
        "--certfile",
        "a",
        "--keyfile",
        "b",
        "--ca-certs",
        "c",
    ]
    given = read(*flags, "--threads", "4", "--exit-with-stdin", "t.py:f")
    assert given == {
        "ref": "t.py:f",
        "host": "::1",
        "port": 80,
        "unix": "s.sock",
        "unix_mode": 0o600,
        "certfile": "a",
        "keyfile": "b",
        "ca_certs": "c",
        "upload_url": "http://u/",
        "x_mode": "train",
        "threads": 4,
        "exit_with_stdin": True,
        "await_explicit_shutdown": False,
    }


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
def test_await_explicit_shutdown_means_what_it_says(flags: list[str], expected: bool) -> None:
    assert read(*flags)["await_explicit_shutdown"] is expected


@pytest.mark.parametrize(
    "flags",
    [
        ["--port", "http"],
        ["--port", "-1"],
        ["--port", "65536"],
        ["--x-mode", "serve"],
        ["--await-explicit-shutdown", "perhaps"],
        ["--threads", "x"],
        ["--unix-mode", "rw"],
        ["--unix-mode", "888"],
        ["--no-such-flag"],
    ],
)
def test_wrong_flags_are_usage_errors(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read(*flags)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: server ")


@pytest.mark.parametrize(
    ("mode", "variable"), [("predict", "COG_PREDICT_TYPE_STUB"), ("train", "COG_TRAIN_TYPE_STUB")]
)
def test_without_a_model_it_names_the_variable(
    mode: str, variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(variable, raising=False)
    assert main(["--x-mode", mode], "server") == 1
    first, *hints = capsys.readouterr().err.splitlines()
    assert first == f"ERROR: {variable} environment variable is not set."
    assert len(hints) == 2


@pytest.mark.parametrize("port", ["http", "-1", "65536", "80.5", "9" * 5000])
def test_an_invalid_port_is_rejected(
    port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PORT", port)
    assert main(["predict.py:Runner"], "server") == 1
    assert capsys.readouterr().err == f"ERROR: PORT is {port!r}, but must be a number from 0 to 65535\n"
