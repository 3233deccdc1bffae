"""Decisions of `push`, `exec` and `debug`; names and labels of images."""

from contextlib import closing
from pathlib import Path

import docker
import pytest
from testing.receiver import answering, page

from coglet_cli.config import Build, CogConfig
from coglet_cli.container.exec import published_ports
from coglet_cli.engine.client import Engine
from coglet_cli.errors import UserError
from coglet_cli.images.builder import image_name
from coglet_cli.images.labels import config_of, model_labels, schema_of
from coglet_cli.main import main
from coglet_cli.project.folder import Project
from coglet_cli.registry.references import push_target, replicate_page


@pytest.mark.parametrize(
    ("config", "tag", "folder", "name"),
    [
        (CogConfig(image="a/b"), "mine", "x", "mine"),
        (CogConfig(image="a/b"), None, "x", "a/b"),
        (CogConfig(model="h/m"), None, "x", "h/m"),
        (CogConfig(), None, "My Model (2)", "cog-my-model-2"),
        (CogConfig(), None, "a" * 40, "cog-" + "a" * 26),
    ],
)
def test_the_name_of_an_image(
    tmp_path: Path, config: CogConfig, tag: str | None, folder: str, name: str
) -> None:
    (tmp_path / folder).mkdir()
    assert image_name(config, Project(tmp_path / folder, tmp_path / folder / "cog.yaml"), tag) == name


def test_labels_are_read_back(tmp_path: Path) -> None:
    config = CogConfig(Build(gpu=True), run="run.py:Runner", environment={"A": "1"}, max_concurrency=2)
    labels = model_labels(config, b'{"openapi": "3.0.2"}', "a==1\nb==2", tmp_path)
    read = config_of("image", labels)
    assert read["predict"] == "run.py:Runner"
    assert read["build"]["gpu"] is True
    assert read["environment"] == ["A=1"]
    assert read["concurrency"] == {"max": 2}
    assert schema_of(labels) == {"openapi": "3.0.2"}
    assert labels["run.cog.pip_freeze"] == "a==1\nb==2"
    assert model_labels(config, b"", "", tmp_path)["run.cog.openapi_schema"] == ""


def test_labels_of_old_images() -> None:
    assert config_of("image", {"org.cogmodel.config": '{"predict": "p.py:P"}'}) == {"predict": "p.py:P"}
    for labels in ({}, {"run.cog.config": "{"}):
        with pytest.raises(UserError, match=r"^Image x does not appear to be a Cog model$"):
            config_of("x", labels)


def test_where_to_push() -> None:
    assert push_target(CogConfig(image="h/i"), None, {}) == "h/i"
    assert push_target(CogConfig(image="h/i"), "other", {}) == "other"
    variables = {"COG_MODEL_TAG": "t", "COG_MODEL_REGISTRY": "r"}
    assert push_target(CogConfig(model="h/m"), None, variables) == "r/m:t"
    assert push_target(CogConfig(model="h/m"), None, {"COG_MODEL": "x/y:z"}) == "x/y:z"
    _, _, tag = push_target(CogConfig(model="h/m"), None, {}).partition(":")
    assert len(tag) == len("20260131T120000Z")


@pytest.mark.parametrize(
    ("config", "image", "variables", "message"),
    [
        (CogConfig(), None, {}, "To push images, you must either set the 'image' option in cog.yaml"),
        (CogConfig(model="h/m"), "x", {}, "positional image argument not supported with 'model' config"),
        (CogConfig(image="h/i"), None, {"COG_MODEL": "x"}, "'image' in cog.yaml cannot be combined with"),
        (CogConfig(model="h/m"), None, {"COG_MODEL_TAG": "cog-x"}, "invalid COG_MODEL_TAG 'cog-x'"),
        (CogConfig(), None, {"COG_MODEL_REPO": "x"}, "no registry or repository to push to"),
    ],
)
def test_a_push_without_a_target(
    config: CogConfig, image: str | None, variables: dict[str, str], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        push_target(config, image, variables)
    assert caught.value.message.startswith(message)


def test_the_replicate_page_of_a_model() -> None:
    for name in ("r8.im/ada/m", "r8.im/ada/m:v1", "r8.im/ada/m@sha256:00", "r8.im/ada/m:v1@sha256:00"):
        assert replicate_page(name) == "https://replicate.com/ada/m"
    assert replicate_page("localhost:5000/ada/m:v1") is None


@pytest.mark.parametrize(
    ("host", "is_remote"),
    [
        ("unix:///var/run/docker.sock", False),
        ("tcp://127.0.0.1:2375", False),
        ("tcp://localhost:2375", False),
        ("tcp://192.0.2.1:2375", True),
    ],
)
def test_remote_engines(host: str, is_remote: bool) -> None:
    with closing(docker.DockerClient(base_url=host, version="1.41")) as client:
        assert Engine(client).is_remote is is_remote


def test_published_ports() -> None:
    assert published_ports(["8000"]) == {"8000/tcp": ("127.0.0.1", 8000)}
    assert published_ports(["0.0.0.0:80", "[::1]:81", "::1:82"]) == {
        "80/tcp": ("0.0.0.0", 80),
        "81/tcp": ("::1", 81),
        "82/tcp": ("::1", 82),
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "value cannot be empty"),
        ("x", "port must be between 1 and 65535"),
        ("70000", "port must be between 1 and 65535"),
        (":80", "host cannot be empty"),
        ("[::1:80", "missing closing bracket for IPv6 address"),
        ("[::1]", "port is required after IPv6 address"),
        ("[::1]80", "expected ':' after ']'"),
    ],
)
def test_invalid_ports(text: str, reason: str) -> None:
    with pytest.raises(UserError) as caught:
        published_ports([text])
    assert caught.value.message == f'invalid port "{text}": {reason}'


def test_debug_prints_the_dockerfile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cog.yaml").write_text('run: "run.py:run"\n')
    (tmp_path / "run.py").write_text("def run(n: int) -> int:\n    return n\n")
    monkeypatch.chdir(tmp_path)
    assert main(["debug", "--use-cog-base-image", "false"]) == 0
    assert capsys.readouterr().out.startswith("FROM python:3.13-slim AS start\n")
    with (tmp_path / "model.bin").open("wb") as content:
        content.truncate(10 * 1024 * 1024)
    assert main(["debug", "--use-cog-base-image", "false", "--separate-weights", "--image-name", "m"]) == 0
    out = capsys.readouterr().out
    assert "=== Weights Dockerfile contents:\nFROM scratch\nCOPY model.bin /src/model.bin\n===\n" in out
    assert "=== Runner Dockerfile contents:\nFROM m-weights AS weights\n" in out
    assert out.endswith("=== Weights exclude patterns:\nmodel.bin\n===\n")


@pytest.mark.parametrize(
    ("arguments", "has_manifest", "base"),
    [
        ([], True, "{}/cog-base:python3.12"),
        ([], False, "python:3.12-slim"),
        (["--use-cog-base-image", "true"], True, "{}/cog-base:python3.12"),
        # A build may find it on the engine, which does not respond here.
        (["--use-cog-base-image", "true"], False, "{}/cog-base:python3.12"),
        (["--use-cog-base-image", "false"], True, "python:3.12-slim"),
        (["--x-fast"], False, "r8.im/monobase:latest"),
    ],
)
def test_debug_shows_the_base_that_a_build_takes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    has_manifest: bool,
    base: str,
) -> None:
    (tmp_path / "cog.yaml").write_text('run: "run.py:run"\nbuild: {python_version: "3.12"}\n')
    (tmp_path / "run.py").write_text("def run(n: int) -> int:\n    return n\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    path = "/v2/cog-base/manifests/python3.12"
    with answering({path: page(200, "application/json", "{}")} if has_manifest else {}) as url:
        host = url.removeprefix("http://")
        monkeypatch.setenv("COG_BASE_IMAGE_HOST", host)
        assert main(["debug", *arguments]) == 0
    assert capsys.readouterr().out.splitlines()[0].removesuffix(" AS start") == f"FROM {base.format(host)}"


def test_concurrency_needs_an_async_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cog.yaml").write_text('run: "run.py:run"\nconcurrency: {max: 2}\n')
    (tmp_path / "run.py").write_text("def run(n: int) -> int:\n    return n\n")
    monkeypatch.chdir(tmp_path)
    assert main(["debug", "--use-cog-base-image", "false"]) == 1
    text = "concurrency.max > 1 requires an async run() or predict() method"
    assert f"error: {text}\n" in capsys.readouterr().err
