"""Texts of errors that no other test covers, and that nothing else is printed."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import docker
import pytest
from testing.receiver import Reply, answering, page

from coglet_cli.commands.docker_flags import docker_wanted
from coglet_cli.container.serve import check_port
from coglet_cli.engine.client import Engine
from coglet_cli.errors import UserError
from coglet_cli.formats.model_schema import OutputSchema, read_input_schema
from coglet_cli.images.certificate import read_certificate
from coglet_cli.local.model import LocalOptions, with_interpreter
from coglet_cli.local.serve import ServeOptions
from coglet_cli.main import main
from coglet_cli.outputs.presentation import present
from coglet_cli.outputs.target import OutputTarget
from coglet_cli.project.model import load_local_model
from coglet_cli.server.client import ModelClient, PredictionRequest
from coglet_cli.terminal import Terminal

MODEL = "def run(n: int) -> int:\n    return n\n"
TERMINAL = Terminal(color=False)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "cog.yaml").write_text("run: run.py:run\ntrain: run.py:run\n")
    (tmp_path / "run.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def excludes(flag: str) -> str:
    """The end of the message about a flag that needs a container and one that excludes it."""
    return f"exclude each other: {flag} needs a container\n"


TRAIN = (
    'warning: Command "train" is deprecated, the train command will be removed in a future version of Cog\n'
)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["exec", "--local", "-p", "80", "ls"], f"error: --publish and --local {excludes('--publish')}"),
        (["exec", "--python", "p", "--gpus", "1", "ls"], f"error: --gpus and --python {excludes('--gpus')}"),
        (["train", "--local", "image"], f"{TRAIN}error: IMAGE and --local {excludes('IMAGE')}"),
        (
            ["exec", "--local", "no-such-program"],
            "error: no-such-program: command not found\n\nhint: `cog exec --local env` shows the PATH\n",
        ),
        (
            ["predict", "--json", '{"n": 1e999}'],
            "error: Failed to parse JSON: number 1e999 is out of range\n",
        ),
        (["predict", "--json", '{"n": NaN}'], "error: Failed to parse JSON: NaN is not a JSON value\n"),
        (["ui"], 'error: unknown command "ui" for "cog"\n\nhint: did you mean `cog playground`?\n'),
        (["gui"], 'error: unknown command "gui" for "cog"\n\nhint: did you mean `cog playground`?\n'),
        (["http"], 'error: unknown command "http" for "cog"\n\nhint: did you mean `cog serve`?\n'),
        (["auth"], 'error: unknown command "auth" for "cog"\n\nhint: did you mean `cog login`?\n'),
        (["new"], 'error: unknown command "new" for "cog"\n\nhint: did you mean `cog init`?\n'),
        (
            ["weights", "pul"],
            'error: unknown command "pul" for "cog weights"\n\nhint: did you mean `cog weights pull`?\n',
        ),
        (["debgu"], 'error: unknown command "debgu" for "cog"\n\nhint: `cog --help` lists the commands\n'),
        (["completion", "tcsh"], "error: invalid value for '{bash|zsh|fish}'"),
    ],
)
@pytest.mark.usefixtures("project")
def test_command_lines(capsys: pytest.CaptureFixture[str], arguments: list[str], text: str) -> None:
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert err.startswith(text)
    assert out == ""


def test_a_model_without_training(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "cog.yaml").write_text("run: run.py:run\n")
    assert main(["train", "--local", "-i", "n=1"]) == 1
    assert capsys.readouterr().err.startswith(f"{TRAIN}error: cog.yaml has no training\n\nhint: ")


def test_a_schema_that_cannot_be_written(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / ".cog").touch()
    assert main(["schema", "--write"]) == 1
    assert capsys.readouterr().err.startswith("error: failed to write the schema: ")


def test_a_template_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".github").touch()
    assert main(["init"]) == 1
    assert "error: failed to write .github/workflows/push.yaml: Not a directory\n" in capsys.readouterr().err


def test_stdin_that_cannot_be_read(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with os.fdopen(os.open(project / "out", os.O_WRONLY | os.O_CREAT), "r") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert main(["predict", "--json", "-"]) == 1
    assert capsys.readouterr().err == "error: Failed to read JSON from stdin: Bad file descriptor\n"


def test_a_document_without_inputs() -> None:
    for is_training, wanted in ((False, "Input"), (True, "TrainingInput or Input")):
        with pytest.raises(UserError) as caught:
            read_input_schema({}, is_training=is_training)
        assert caught.value.message == f"OpenAPI schema is missing {wanted} component"


def test_a_folder_without_certificates(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_certificate(str(tmp_path))
    assert caught.value.message == f"COG_CA_CERT: no .crt or .pem files found in directory {tmp_path}"


def test_an_engine_on_another_machine(capsys: pytest.CaptureFixture[str]) -> None:
    client = docker.DockerClient("tcp://192.0.2.1:2375", version="1.41")  # does not connect yet
    check_port(Engine(client), ServeOptions(LocalOptions("cog.yaml"), "127.0.0.1", 1), TERMINAL)
    client.close()
    assert capsys.readouterr().err == (
        "warning: Using Docker daemon at http://192.0.2.1:2375; the server will bind to 127.0.0.1 on that "
        "host, not this machine.\n"
    )


def test_weights_without_a_container(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "cog.yaml").write_text(
        "run: run.py:run\nmodel: h.io/m\nweights: [{name: a, target: /a, source: {uri: a}}]\n"
    )
    with_interpreter(load_local_model("cog.yaml", TERMINAL), LocalOptions("cog.yaml"), TERMINAL)
    text = "warning: managed weights are only available in containers; run with --docker\n"
    assert capsys.readouterr().err == text


FILE = OutputSchema({"type": "string", "format": "uri"})


@pytest.mark.parametrize(
    ("value", "reason"), [("data:nothing", "not a data URL"), ("data:;base64,!", "not base64: ")]
)
def test_files_that_cannot_be_decoded(tmp_path: Path, value: str, reason: str) -> None:
    with pytest.raises(UserError) as caught:
        present({"status": "succeeded", "output": value}, FILE, OutputTarget(tmp_path / "x"), TERMINAL)
    assert caught.value.message.startswith(f"the model returned a file that cannot be decoded: {reason}")


@pytest.mark.parametrize("schema", [FILE, OutputSchema({"type": "string"})])
def test_outputs_that_cannot_be_written(tmp_path: Path, schema: OutputSchema) -> None:
    target = OutputTarget(tmp_path / "gone" / "x.txt")
    with pytest.raises(UserError) as caught:
        present({"status": "succeeded", "output": "data:text/plain,a"}, schema, target, TERMINAL)
    assert caught.value.message == f"failed to write output file {target.file}: No such file or directory"


DOCUMENT = json.dumps({"components": {"schemas": {"Input": {"properties": {}}}}})


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"/openapi.json": page(500, "text/plain", "")}, "{} has no OpenAPI document (status 500)"),
        ({"/openapi.json": page(200, "text/plain", "[]")}, "{} has no OpenAPI document (status 200)"),
        ({"/predictions": page(503, "text/plain", "later")}, "/predictions call returned status 503: later"),
        ({"/predictions": page(500, "text/plain", "")}, "/predictions call returned status 500"),
        (
            {"/predictions": page(422, "application/json", '{"detail": "odd"}')},
            "/predictions call returned status 422, and there was an unexpected message in response: "
            '{{"detail": "odd"}}',
        ),
        (
            {
                "/predictions": page(
                    422,
                    "application/json",
                    '{"detail": [{"loc": ["body", "input", "n"], "msg": "too large"}]}',
                )
            },
            "The inputs you passed could not be validated:\n\n- n: too large",
        ),
    ],
)
@pytest.mark.usefixtures("project")
def test_invalid_responses_of_a_server(
    capsys: pytest.CaptureFixture[str], answers: dict[str, Reply], message: str
) -> None:
    with answering(
        {**answers, "/openapi.json": answers.get("/openapi.json", page(200, "text/plain", DOCUMENT))}
    ) as url:
        assert main(["predict", "--url", url]) == 1
    stderr = capsys.readouterr().err
    assert stderr.startswith(f"error: {message.format(url)}\n"), stderr


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ('event: error\ndata: {"error": "lost it"}\n\n', "the output stream broke off: lost it"),
        ('event: output\ndata: {"chunk": "a"}\n\n', "the output stream ended without a result"),
    ],
)
async def test_streams_that_end_with_an_error(events: str, message: str) -> None:
    chunks: list[Any] = []
    with answering({"/predictions": page(200, "text/event-stream", events)}) as url:
        async with ModelClient(url) as client:
            with pytest.raises(UserError) as caught:
                await client.predict_streaming(PredictionRequest("a", {}), chunks.append)
    assert caught.value.message == message


def test_a_cache_that_cannot_be_written(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COG_CACHE_DIR", str(project / "run.py"))
    version = "{}.{}".format(*sys.version_info[:2])
    (project / "cog.yaml").write_text(f"build: {{python_version: '{version}'}}\nrun: run.py:run\n")
    assert main(["predict", "-i", "n=1"]) == 1
    stderr = capsys.readouterr().err
    assert stderr.startswith(
        "error: failed to make an environment for the model: [Errno 20] Not a directory: "
    )
    assert stderr.endswith("\n\nhint: set COG_CACHE_DIR to a folder that you can write to\n")


def test_flags_that_exclude_each_other() -> None:
    assert not docker_wanted({"local": True, "ports": None}, image=None, python=None, url=None)
    assert docker_wanted({"local": False, "ports": ("80",)}, image=None, python=None, url=None)


def test_a_registry_for_one_command(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COG_REGISTRY_HOST", "other")
    monkeypatch.setenv("DOCKER_CONFIG", str(project))
    for arguments in (["--registry", "r.io:5", "login"], ["login", "--registry", "r.io:5"]):
        with (project / "run.py").open() as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            assert main([*arguments, "--username", "me", "--token-stdin"]) == 0
        assert capsys.readouterr().err.startswith("Logging in to r.io:5\n")
    assert main(["schema", "--registry", "r.io:6"]) == 0
    assert os.environ["COG_REGISTRY_HOST"] == "r.io:6"
