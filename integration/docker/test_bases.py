"""Models in containers on every kind of base image; stand-ins replace those that cannot be pulled."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import docker
import pytest
from docker.models.containers import Container
from integration.docker.containers import build, health, inside, run_cog, running
from integration.docker.containers import predict as predict_in
from integration.docker.engine import FAST_BASE, CannotRun
from integration.docker.stand_ins import (
    COG_BASE_HOST,
    cuda_base,
    plain_base,
    pyenv_base,
    uv_base,
)
from testing.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
MODEL: Final = """\
import os
import sys
import tempfile
from pathlib import Path

from cog import BaseModel, BasePredictor


class Output(BaseModel):
    user: int
    python: str
    found: list[str]
    made: list[str]


class Predictor(BasePredictor):
    def predict(self, folder: str) -> Output:
        made = [Path(folder, "out.txt"), Path("~/.cache/hub/new.bin"), Path("~/new/settings")]
        made = [path.expanduser().resolve() for path in made]
        for path in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("new")
            path.unlink()
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("new")
        weights = sorted(Path("/root/.cache/hub").rglob("*.bin"), reverse=True)
        found = [str(path) for path in weights if os.access(path, os.R_OK)]
        python = "%d.%d" % sys.version_info[:2]
        return Output(user=os.getuid(), python=python, found=found, made=[str(path) for path in made])
"""
NAME: Final = "pycoglet-test-bases"
DOWNLOADED: Final = "/root/.cache/hub/weights.bin"
# As for programs that write a temporary file first.
KEPT_PRIVATE: Final = "/root/.cache/hub/a/private.bin"


@dataclass(frozen=True)
class Kind:
    """A kind of base image: the block in which it exists, the Pythons of model and server, and the build."""

    base: Callable[[docker.DockerClient], AbstractContextManager[None]]
    python: str
    server_python: str
    settings: Mapping[str, object] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


COG_BASE: Final[Any] = {
    "flags": ("--use-cog-base-image", "true"),
    "variables": {"COG_BASE_IMAGE_HOST": COG_BASE_HOST},
}
COMMANDS: Final = {
    "run": [
        f"mkdir -p {Path(DOWNLOADED).parent} && echo >{DOWNLOADED}",
        f"umask 077 && mkdir {Path(KEPT_PRIVATE).parent} /root/.ssh && echo >{KEPT_PRIVATE}",
    ]
}
KINDS: Final = {
    "slim": Kind(plain_base, "3.11", "3.11", COMMANDS),
    "cuda": Kind(cuda_base, "3.13", "3.13", {**COMMANDS, "gpu": True}),
    "pyenv": Kind(pyenv_base, "3.10", "3.13", COMMANDS, **COG_BASE),
    "uv": Kind(uv_base, "3.13", "3.13", COMMANDS, **COG_BASE),
    "fast": Kind(plain_base, "3.11", "3.11", {"fast": True}, variables={"COG_MONOBASE_IMAGE": FAST_BASE}),
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest, engine: docker.DockerClient, fast_base: None) -> Iterator[Kind]:
    """Each kind in turn, with its base image on the engine."""
    found = KINDS[request.param]
    try:
        with found.base(engine):
            yield found
    except CannotRun as reason:
        pytest.skip(f"CANNOT RUN HERE: an image on a stand-in for {request.param}: {reason}")


@pytest.fixture(scope="module")
def image(kind: Kind, variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image of the model on this kind of base."""
    folder = tmp_path_factory.mktemp("model")
    write_model(folder, kind)
    name = f"pycoglet-test-bases-{folder.name}"
    build(folder, name, {**variables, **kind.variables}, *kind.flags)
    return name


def write_model(folder: Path, kind: Kind, **settings: object) -> None:
    settings = {"python_version": kind.python, **kind.settings, **settings}
    (folder / "cog.yaml").write_text(json.dumps({"build": settings, "predict": "predict.py:Predictor"}))
    (folder / "predict.py").write_text(MODEL)


def predict(container: Container, folder: str) -> dict[str, object]:
    wait_for(lambda: health(container) == "READY", "READY")
    answer = predict_in(container, folder=folder)
    assert answer["status"] == "succeeded", answer
    output: dict[str, object] = answer["output"]
    return output


def test_a_model_does_what_it_does_on_cog(engine: docker.DockerClient, kind: Kind, image: str) -> None:
    found = [DOWNLOADED, KEPT_PRIVATE] if "run" in kind.settings else []
    with running(engine, image) as container:
        assert predict(container, "outputs") == {
            "user": 0,
            "python": kind.python,
            "found": found,
            "made": made("/src/outputs"),
        }
        # Other folders in the container, and its packages.
        assert predict(container, "/weights")["made"] == made("/weights")
        inside(container, "python", "-m", "pip", "uninstall", "--yes", "msgspec")
        version = inside(container, "/opt/coglet/bin/python", "--version")
        assert version.startswith(f"Python {kind.server_python}.")


def test_any_user_can_run_it(engine: docker.DockerClient, kind: Kind, image: str) -> None:
    script = "import cog.server.http, predict; print(predict.Predictor().predict('.').made)"
    with running(engine, image, "sleep", "infinity", user="4321:0", cap_drop=["ALL"]) as container:
        inside(container, "/opt/coglet/bin/python", "-c", "import coglet_supervisor")
        assert inside(container, "python", "-c", script) == f"{made('/src')}\n"


@pytest.mark.parametrize("kind", ["slim"], indirect=True)
def test_keys_of_ssh_stay_with_root(engine: docker.DockerClient, image: str) -> None:
    shown = engine.containers.run(image, ["-c", "%a", "/root/.ssh"], entrypoint=["stat"], remove=True)
    assert shown == b"700\n"


@pytest.mark.parametrize("kind", ["pyenv"], indirect=True)
def test_a_configured_user(
    engine: docker.DockerClient, kind: Kind, variables: dict[str, str], tmp_path: Path
) -> None:
    write_model(tmp_path, kind, user=10001)
    build(tmp_path, NAME, {**variables, **kind.variables}, *kind.flags)
    with running(engine, NAME) as container:
        assert predict(container, ".") == {
            "user": 10001,
            "python": kind.python,
            "found": [DOWNLOADED, KEPT_PRIVATE],
            "made": made("/src"),
        }
        assert inside(container, "sh", "-c", "echo >>predict.py; id --user --name; id --group") == "cog\n0\n"


@pytest.mark.parametrize("kind", ["uv"], indirect=True)
def test_the_owner_of_a_folder_runs_its_model(kind: Kind, variables: dict[str, str], tmp_path: Path) -> None:
    write_model(tmp_path, kind)
    for path in (tmp_path, *tmp_path.iterdir()):
        os.chown(path, 1234, 1234)
    done = run_cog(
        tmp_path,
        "predict",
        "--docker",
        *kind.flags,
        "-i",
        "folder=.",
        variables={**variables, **kind.variables},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "user": 1234,
        "python": kind.python,
        "found": [DOWNLOADED, KEPT_PRIVATE],
        "made": made("/src"),
    }


@pytest.mark.parametrize("kind", ["slim"], indirect=True)
def test_a_dockerfile_of_the_user(
    engine: docker.DockerClient, kind: Kind, hello_image: str, tmp_path: Path
) -> None:
    write_model(tmp_path, kind)
    (tmp_path / "Own").write_text(
        f"FROM {hello_image}\nCOPY . /src\nRUN mkdir -p /root/.cache/hub && echo >{DOWNLOADED}\n"
    )
    done = run_cog(tmp_path, "build", "-t", NAME, "--dockerfile", "Own")
    assert done.returncode == 0, done.stderr
    with running(engine, NAME) as container:
        output = predict(container, "outputs")
        assert output == {
            "user": 0,
            "python": kind.python,
            "found": [DOWNLOADED],
            "made": made("/src/outputs"),
        }


def made(folder: str) -> list[str]:
    return [f"{folder}/out.txt", "/root/.cache/hub/new.bin", "/root/new/settings"]
