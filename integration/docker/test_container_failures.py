"""Containers that do not serve: the messages, the exit code, and that no container is left."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from integration.docker.containers import run_cog

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
NAME = "pycoglet-test-failing"
MODEL = (
    "from cog import BasePredictor\n\n\nclass Predictor(BasePredictor):\n    def setup(self):\n        {}\n\n"
)


@pytest.fixture(autouse=True)
def no_container_left(engine: docker.DockerClient) -> Iterator[None]:
    """Check that a failed command leaves no container behind."""
    before = set(engine.containers.list(all=True))
    yield
    assert set(engine.containers.list(all=True)) <= before


def derived(engine: docker.DockerClient, parent: str, line: str, file: str = "") -> str:
    """Build an image with one more line; `file` is the content of the file that it may copy."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in (("Dockerfile", f"FROM {parent}\n{line}\n"), ("file", file)):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    buffer.seek(0)
    engine.images.build(fileobj=buffer, custom_context=True, tag=NAME, rm=True)
    return NAME


def predict(folder: Path, *arguments: str) -> tuple[int, str]:
    done = run_cog(folder, "predict", *arguments, "-i", "name=Ada")
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_a_container_that_exits(engine: docker.DockerClient, hello_image: str, tmp_path: Path) -> None:
    name = derived(engine, hello_image, 'ENTRYPOINT ["sh", "-c", "echo no luck; exit 7"]')
    code, stderr = predict(tmp_path, name)
    assert code == 1
    assert "\nno luck\n" in stderr
    assert stderr.endswith(
        "error: Container exited unexpectedly (exit code 7)\n\nhint: the log above may say why\n"
    )


def test_a_setup_that_fails(engine: docker.DockerClient, hello_image: str, tmp_path: Path) -> None:
    source = MODEL.format("raise ValueError('no weights')") + "    def predict(self, name: str) -> str: ...\n"
    name = derived(engine, hello_image, "COPY file /src/predict.py", source)
    code, stderr = predict(tmp_path, name)
    assert code == 1
    assert "ValueError: no weights" in stderr
    assert "\nerror: Model setup failed\n" in stderr


def test_a_setup_that_takes_too_long(engine: docker.DockerClient, hello_image: str, tmp_path: Path) -> None:
    source = MODEL.format("import threading; threading.Event().wait()") + (
        "    def predict(self, name: str) -> str: ...\n"
    )
    name = derived(engine, hello_image, "COPY file /src/predict.py", source)
    code, stderr = predict(tmp_path, name, "--setup-timeout", "1")
    assert code == 1
    assert "\nerror: Timed out" in stderr


def test_gpus_that_are_absent(engine: docker.DockerClient, hello_image: str, tmp_path: Path) -> None:
    code, stderr = predict(tmp_path, hello_image, "--gpus", "all")
    assert code == 1
    assert "\nerror: failed to start the container: could not select device driver" in stderr
    code, stderr = predict(tmp_path, hello_image, "--gpus", "many")
    assert (code, stderr.partition("error: ")[2]) == (
        1,
        "invalid value for --gpus: many\n\nhint: use all, a number, or device=0,1\n",
    )


@pytest.mark.parametrize("example", ["hello"], indirect=True)
def test_an_optional_gpu_that_is_absent(
    engine: docker.DockerClient, example: Path, variables: dict[str, str]
) -> None:
    config = example / "cog.yaml"
    config.write_text(config.read_text().replace("build:\n", "build:\n  gpu: true\n"))
    flags = ("--docker", "--use-cuda-base-image", "false", "-i", "name=Ada")
    done = run_cog(example, "predict", *flags, variables={**variables, "COG_BASE_IMAGE_HOST": "127.0.0.1:1"})
    assert (done.stdout, done.returncode) == ("Hello, Ada!\n", 0), done.stderr
    assert "\nMissing device driver, re-trying without GPU\n" in done.stderr
    assert (
        "warning: Could not find a suitable base image, continuing without base image support "
        "(127.0.0.1:1/cog-base:cuda11.8-python3.11 is not available).\n"
    ) in done.stderr
