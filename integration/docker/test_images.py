"""Building images that serve, from the examples and in both modes."""

import hashlib
import json
import uuid
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container
from integration.docker.containers import build, health, inside, predict, processes, run_cog, running, stop
from integration.docker.engine import FAST_BASE, PYTHON_VERSION
from testing.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SERVER_PACKAGES = {"quart", "hypercorn", "werkzeug", "jinja2", "anyio"}


@pytest.mark.parametrize("example", ["hello"], indirect=True)
def test_the_image_of_hello(engine: docker.DockerClient, example: Path, variables: dict[str, str]) -> None:
    build(example, "pycoglet-test-hello", variables)
    with running(engine, "pycoglet-test-hello") as container:
        wait_for(lambda: health(container) == "READY", "READY")
        assert predict(container, name="Ada")["output"] == "Hello, Ada!"
        assert inside(container, "python", "-m", "pip", "check") == "No broken requirements found.\n"
        installed = {entry["name"].lower() for entry in json.loads(inside(container, *_LIST))}
        assert not installed & SERVER_PACKAGES
        inside(container, "test", "-s", "/src/.cog/openapi_schema.json")
        wait_for(lambda: docker_health(container) == "healthy", "a healthy container")


_LIST = ("python", "-m", "pip", "list", "--format", "json")


def docker_health(container: Container) -> str:
    container.reload()
    return str(container.attrs["State"]["Health"]["Status"])


@pytest.mark.parametrize("example", ["hello"], indirect=True)
def test_it_stops_when_it_is_asked_to_and_reaps_its_children(
    engine: docker.DockerClient, example: Path, variables: dict[str, str]
) -> None:
    build(example, "pycoglet-test-hello", variables)
    with running(engine, "pycoglet-test-hello") as container:
        wait_for(lambda: health(container) == "READY", "READY")
        inside(container, "sh", "-c", "(sleep 0.1 &) ; true")
        wait_for(lambda: " Z " not in processes(container), "no zombies")
        assert stop(container) == 0


@pytest.mark.parametrize("example", ["hello"], indirect=True)
def test_the_supervisor_is_small_and_a_changed_line_costs_the_last_layer(
    engine: docker.DockerClient, example: Path, variables: dict[str, str]
) -> None:
    name = "pycoglet-test-change"
    build(example, name, variables)
    first = engine.images.get(name)
    added = [layer for layer in first.history()[:-1] if "command -v wget" not in layer["CreatedBy"]]
    largest = max(layer["Size"] for layer in added)
    assert largest < 70e6
    (example / "predict.py").write_text((example / "predict.py").read_text().replace("Hello", "Hi"))
    build(example, name, variables)
    layers = [image.attrs["RootFS"]["Layers"] for image in (first, engine.images.get(name))]
    # The source, and the files that `cog` adds after the build.
    assert layers[0][:-2] == layers[1][:-2]
    assert layers[0][-2] != layers[1][-2]


@pytest.mark.parametrize("example", ["hello"], indirect=True)
def test_an_image_is_run_pushed_removed_and_pulled(
    engine: docker.DockerClient, example: Path, variables: dict[str, str], registry: str
) -> None:
    name = f"{registry}/you/hello:{uuid.uuid4().hex[:8]}"
    pushed = run_cog(example, "push", name, "--use-cog-base-image", "false", variables=variables)
    assert pushed.returncode == 0, pushed.stderr[-3000:]
    assert f"  image  {registry}/you/hello@sha256:" in pushed.stderr
    engine.images.remove(name, force=True)
    asked = run_cog(example, "predict", name, "-i", "name=Ada")
    assert (asked.stdout, asked.returncode) == ("Hello, Ada!\n", 0), asked.stderr
    wrong = run_cog(example, "predict", name, "-i", "nam=Ada")
    assert wrong.stderr == 'error: unknown input "nam"; valid inputs are: name\n'
    engine.images.remove(name, force=True)


@pytest.mark.parametrize("example", ["resize", "digits"], indirect=True)
def test_examples_with_packages(
    engine: docker.DockerClient, example: Path, variables: dict[str, str], tmp_path: Path
) -> None:
    name = f"pycoglet-test-{example.name}"
    build(example, name, variables)
    image = f"@{Path(__file__).parents[2] / 'examples' / 'digits' / 'six.png'}"
    target = tmp_path / "out.png"
    flags = ("-o", str(target)) if example.name == "resize" else ()
    done = run_cog(example, "predict", name, "-i", f"image={image}", *flags)
    assert done.returncode == 0, done.stderr
    assert target.stat().st_size > 0 if flags else '"digit": 6' in done.stdout


@pytest.mark.usefixtures("fast_base")
@pytest.mark.parametrize("example", ["hello", "resize", "digits"], indirect=True)
def test_fast_mode(example: Path, variables: dict[str, str], tmp_path: Path) -> None:
    name = f"pycoglet-test-fast-{example.name}"
    build(example, name, {**variables, "COG_MONOBASE_IMAGE": FAST_BASE}, "--x-fast")
    image = f"image=@{Path(__file__).parents[2] / 'examples' / 'digits' / 'six.png'}"
    inputs = "name=Ada" if example.name == "hello" else image
    done = run_cog(example, "predict", name, "-i", inputs, "-o", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("out*"))


@pytest.mark.parametrize("example", ["hello"], indirect=True)
def test_another_python(
    engine: docker.DockerClient, example: Path, variables: dict[str, str], other_python: str
) -> None:
    config = example / "cog.yaml"
    config.write_text(config.read_text().replace(PYTHON_VERSION, other_python))
    build(example, "pycoglet-test-python", variables)
    with running(engine, "pycoglet-test-python") as container:
        wait_for(lambda: health(container) == "READY", "READY")
        assert predict(container, name="Ada")["output"] == "Hello, Ada!"
        assert inside(container, "python", "--version").startswith(f"Python {other_python}.")
        assert inside(container, "python", "-m", "pip", "check") == "No broken requirements found.\n"


@pytest.mark.parametrize("example", ["hello"], indirect=True)
def test_commands_find_the_tools_that_models_use(
    engine: docker.DockerClient, example: Path, variables: dict[str, str]
) -> None:
    config = example / "cog.yaml"
    tools = "curl --version; wget --version; xz --version; git --version; unzip -v; update-ca-certificates"
    config.write_text(config.read_text().replace("build:\n", f"build:\n  run: ['set -e; {tools}']\n"))
    build(example, "pycoglet-test-tools", variables)


def test_an_image_of_something_else(engine: docker.DockerClient, tmp_path: Path) -> None:
    done = run_cog(tmp_path, "predict", "python:3.11-slim", "-i", "a=b")
    assert done.returncode == 1
    assert done.stderr == (
        "error: Image python:3.11-slim does not appear to be a Cog model\n\n"
        "hint: build one with `cog build -t NAME`\n"
    )


def test_an_image_that_does_not_exist(engine: docker.DockerClient, tmp_path: Path) -> None:
    done = run_cog(tmp_path, "predict", "127.0.0.1:1/none", "-i", "a=b")
    assert done.returncode == 1
    assert "Pulling image: 127.0.0.1:1/none\n" in done.stderr
    assert "error: failed to pull 127.0.0.1:1/none: " in done.stderr
    assert done.stderr.endswith("\n\nhint: check the name; for a private registry run `cog login` first\n")


@pytest.mark.parametrize("example", ["hello"], indirect=True)
def test_an_unreachable_engine(example: Path) -> None:
    done = run_cog(example, "build", variables={"DOCKER_HOST": "tcp://127.0.0.1:1"})
    assert done.returncode == 1
    assert "error: error pinging docker daemon: " in done.stderr
    assert "hint: is Docker running?" in done.stderr


@pytest.mark.parametrize("example", ["hello"], indirect=True)
def test_a_step_that_fails(engine: docker.DockerClient, example: Path, variables: dict[str, str]) -> None:
    (example / "cog.yaml").write_text(
        'build:\n  python_version: "3.11"\n  run: ["echo failing; exit 4"]\npredict: "predict.py:Predictor"\n'
    )
    done = run_cog(
        example, "build", "--use-cog-base-image", "false", "--progress", "quiet", variables=variables
    )
    assert done.returncode == 1
    assert "\nfailing\n" in done.stderr
    assert (
        "image build failed: The command '/bin/sh -c echo failing; exit 4' returned a non-zero code: 4"
        in (done.stderr)
    )


@pytest.mark.parametrize("example", ["hello"], indirect=True)
def test_a_secret_is_visible_only_to_its_command(
    engine: docker.DockerClient, example: Path, variables: dict[str, str]
) -> None:
    # A secret is not part of the cache key: the same command would reuse the layer of another run.
    (example / "cog.yaml").write_text(
        'build:\n  python_version: "3.11"\n  run:\n'
        f"    - command: sha256sum /run/token >/seen && echo run {uuid.uuid4().hex}\n"
        "      mounts: [{type: secret, id: token, target: /run/token}]\n"
        'predict: "predict.py:Predictor"\n'
    )
    token = uuid.uuid4().hex
    # Debian's client supports BuildKit.
    own = {**variables, "PATH": "/usr/bin:/bin", "TOKEN": token}
    build(example, "pycoglet-test-secret", own, "--secret", "id=token,env=TOKEN")
    seen = engine.containers.run("pycoglet-test-secret", ["/seen"], entrypoint=["cat"], remove=True)
    assert seen.split()[0].decode() == hashlib.sha256(token.encode()).hexdigest()
    assert token not in str(engine.images.get("pycoglet-test-secret").history())
    without = run_cog(
        example, "build", "--use-cog-base-image", "false", variables={**variables, "DOCKER_BUILDKIT": "0"}
    )
    assert without.stderr.endswith(
        "error: build.run with mounts needs BuildKit, which this Docker client does not support\n\n"
        "hint: install the docker-buildx plugin, or unset DOCKER_BUILDKIT=0\n"
    )
