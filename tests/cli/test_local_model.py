"""How a local model server is started, and where it listens."""

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from coglet_cli.config import CogConfig
from coglet_cli.errors import ProjectNotFound, UserError
from coglet_cli.local.model import LocalOptions, find_interpreter, server_command, user_environment
from coglet_cli.local.process import describe_exit
from coglet_cli.project.folder import Project, find_project
from coglet_cli.project.model import LocalModel
from coglet_cli.server.address import Address, free_address, parse_host
from coglet_cli.server.client import InputsRefused
from coglet_cli.server.readiness import Readiness, UnexpectedHealth, judge
from coglet_cli.terminal import Terminal, color_wanted

TERMINAL = Terminal(color=False)


def environment(config: CogConfig, options: LocalOptions) -> Mapping[str, str]:
    model = LocalModel(Project(Path("/model"), Path("/model/cog.yaml")), config)
    return server_command(model, options, Address("127.0.0.1", 4711), TERMINAL).environment


def test_the_server_gets_the_model_and_the_port() -> None:
    config = CogConfig(run="run.py:Runner", train="train.py:train", max_concurrency=4)
    variables = environment(config, LocalOptions("cog.yaml", python=sys.executable))
    assert variables["PORT"] == "4711"
    assert variables["COG_PREDICT_TYPE_STUB"] == "run.py:Runner"
    assert variables["COG_TRAIN_TYPE_STUB"] == "train.py:train"
    assert variables["COG_MAX_CONCURRENCY"] == "4"
    assert variables["COG_WORKER_PYTHON"] == sys.executable
    assert variables["PATH"].endswith(os.environ["PATH"])


def test_unset_values_are_not_passed() -> None:
    variables = environment(CogConfig(run="run.py:Runner"), LocalOptions("cog.yaml"))
    assert not {"COG_TRAIN_TYPE_STUB", "COG_MAX_CONCURRENCY", "COG_WORKER_PYTHON"} & variables.keys()


def test_the_server_of_a_command_speaks_plain_http(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["COG_TLS_CERTFILE=cert.pem", "COG_TLS_KEYFILE=key.pem"]
    variables = environment(CogConfig(run="run.py:Runner"), LocalOptions("cog.yaml", environment=given))
    assert not [name for name in variables if name.startswith("COG_TLS_")]
    assert "COG_TLS_CERTFILE is ignored" in capsys.readouterr().err


def test_a_model_without_predictor() -> None:
    with pytest.raises(UserError, match=r"^cog.yaml has no predictor$"):
        environment(CogConfig(train="train.py:train"), LocalOptions("cog.yaml"))


def test_a_relative_schema_file_is_found_from_the_models_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COG_OPENAPI_SCHEMA", "schema.json")
    variables = environment(CogConfig(run="run.py:Runner"), LocalOptions("cog.yaml"))
    assert variables["COG_OPENAPI_SCHEMA"] == str(tmp_path / "schema.json")


def test_flags_override_cog_yaml_which_overrides_the_shell() -> None:
    config = CogConfig(environment={"B": "yaml", "C": "yaml"})
    options = LocalOptions("cog.yaml", environment=("C=flag", "D=a=b", "E=", "A", "NONE"))
    assert user_environment(config, options, {"A": "shell", "B": "shell", "C": "shell"}) == {
        "A": "shell",
        "B": "yaml",
        "C": "flag",
        "D": "a=b",
        "E": "",
    }


def test_a_variable_in_a_value_means_what_it_means_in_the_image() -> None:
    config = CogConfig(
        environment={"C": "$B/c", "A": "${HOME}/a", "B": "$A:${NONE:-d}:${A:+e}$NONE", "D": "5$ $"}
    )
    expected = {"HOME": "/h", "A": "/h/a", "B": "/h/a:d:e", "C": "/h/a:d:e/c", "D": "5$ $"}
    assert user_environment(config, LocalOptions("cog.yaml"), {"HOME": "/h"}) == expected


def test_a_variable_without_a_name() -> None:
    with pytest.raises(UserError, match=r"^invalid environment variable '=x', expected format"):
        user_environment(CogConfig(), LocalOptions("cog.yaml", environment=("=x",)), {})


def test_interpreters_are_found_by_path_and_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # The path of the link identifies a virtual environment: its target is another environment.
    (tmp_path / "python").symlink_to(sys.executable)
    monkeypatch.chdir(tmp_path)
    assert find_interpreter("./python") == str(tmp_path / "python")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_interpreter("python") == str(tmp_path / "python")
    with pytest.raises(UserError, match=r"^no Python interpreter at python9$"):
        find_interpreter("python9")


def test_a_project_is_found_from_a_subfolder(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "cog.yaml").touch()
    (tmp_path / "a" / "gpu.yaml").touch()
    assert find_project("cog.yaml", below) == Project(tmp_path, tmp_path / "cog.yaml")
    assert find_project("gpu.yaml", below) == Project(tmp_path / "a", tmp_path / "a" / "gpu.yaml")
    assert find_project("a/gpu.yaml", below) == Project(tmp_path, tmp_path / "a" / "gpu.yaml")
    assert find_project(str(tmp_path / "cog.yaml"), Path("/")).folder == tmp_path
    with pytest.raises(ProjectNotFound) as caught:
        find_project("none.yaml", below)
    assert caught.value.message == f"none.yaml not found in {below} (or in any parent directories)"


@pytest.mark.parametrize(
    ("report", "verdict"),
    [
        (None, Readiness.WAIT),
        ({}, Readiness.WAIT),
        ({"status": "STARTING"}, Readiness.WAIT),
        ({"status": "READY"}, Readiness.READY),
        ({"status": "BUSY"}, Readiness.READY),
        ({"status": "SETUP_FAILED"}, Readiness.SETUP_FAILED),
    ],
)
def test_health(report: dict[str, str] | None, verdict: Readiness) -> None:
    assert judge(report) is verdict


def test_health_that_fails_in_the_models_own_check() -> None:
    with pytest.raises(UnexpectedHealth, match=r"unexpected status: UNHEALTHY \(no GPU\)$"):
        judge({"status": "UNHEALTHY", "user_healthcheck_error": "no GPU"})


@pytest.mark.parametrize("status", ["UNHEALTHY", "DEFUNCT", "UNKNOWN"])
def test_health_that_never_becomes_ready(status: str) -> None:
    with pytest.raises(
        UnexpectedHealth, match=f"^Model server healthcheck returned unexpected status: {status}$"
    ):
        judge({"status": status})


@pytest.mark.parametrize(
    ("address", "url", "description"),
    [
        (Address("127.0.0.1", 1), "http://127.0.0.1:1", "http://localhost:1"),
        (Address("0.0.0.0", 1), "http://127.0.0.1:1", "http://0.0.0.0:1 (http://localhost:1)"),
        (Address("10.0.0.9", 1), "http://10.0.0.9:1", "http://10.0.0.9:1"),
        (Address("::", 1), "http://[::1]:1", "http://[::]:1 (http://localhost:1)"),
    ],
)
def test_addresses(address: Address, url: str, description: str) -> None:
    assert (address.url, address.description) == (url, description)


def test_hosts() -> None:
    assert [parse_host(text) for text in ("localhost", "0.0.0.0", "[::1]", "::1")] == [
        "127.0.0.1",
        "0.0.0.0",
        "::1",
        "::1",
    ]
    with pytest.raises(UserError, match=r"^--host example is not an IP address$"):
        parse_host("example")


def test_a_port_in_use_is_not_free() -> None:
    address = free_address("127.0.0.1")
    assert address.is_free
    with socket.create_server((address.host, address.port)):
        assert not address.is_free


@pytest.mark.parametrize(
    ("code", "text"),
    [(3, "exit code 3"), (-11, "killed by SIGSEGV"), (-9, "killed by SIGKILL"), (-99, "killed by signal 99")],
)
def test_exits(code: int, text: str) -> None:
    assert describe_exit(code) == text


def test_inputs_that_the_server_rejects() -> None:
    error = InputsRefused([{"loc": ["body", "input", "n"], "msg": "too large"}])
    assert error.message == "The inputs you passed could not be validated:\n\n- n: too large"
    assert error.hint is not None
    assert "cog predict -i blur=3.5" in error.hint


@pytest.mark.parametrize(
    ("environ", "is_terminal", "refused", "wanted"),
    [
        ({"TERM": "xterm"}, True, False, True),
        ({"TERM": "xterm"}, True, True, False),
        ({"TERM": "xterm"}, False, False, False),
        ({"TERM": "dumb"}, True, False, False),
        ({"NO_COLOR": "1"}, True, False, False),
        ({"COG_NO_COLOR": "1"}, True, False, False),
        ({"NO_COLOR": ""}, True, False, True),
    ],
)
def test_color(environ: dict[str, str], is_terminal: bool, refused: bool, wanted: bool) -> None:
    assert color_wanted(environ, is_terminal=is_terminal, refused=refused) is wanted
