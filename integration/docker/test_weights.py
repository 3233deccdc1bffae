"""Managed weights in a container, and in a pushed bundle."""

import json
import uuid
from pathlib import Path

import docker
import pytest
from integration.docker.containers import inside, run_cog, running
from integration.docker.engine import PYTHON_VERSION

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
MODEL = """
from pathlib import Path

def run(n: int) -> str:
    weight = Path("/weights/base/a.bin")
    try:
        weight.write_text("changed")
    except OSError as error:
        return f"{weight.read_text()}, {error.strerror}"
    return "writable"
"""


@pytest.fixture
def project(tmp_path: Path, registry: str) -> Path:
    """A model with a weight that is not in its image."""
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a.bin").write_text("the weights")
    (tmp_path / ".dockerignore").write_text("weights\n")
    (tmp_path / "run.py").write_text(MODEL)
    (tmp_path / "cog.yaml").write_text(
        f"build: {{python_version: '{PYTHON_VERSION}'}}\nrun: run.py:run\n"
        f"model: {registry}/you/weights-{uuid.uuid4().hex[:8]}\n"
        "weights: [{name: base, target: /weights/base, source: {uri: weights}}]\n"
    )
    return tmp_path


def test_weights_are_mounted_and_pushed_with_the_image(
    engine: docker.DockerClient,
    project: Path,
    variables: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = {**variables, "COG_CACHE_DIR": str(tmp_path_factory.mktemp("cache")), "COG_MODEL_TAG": "v1"}
    imported = run_cog(project, "weights", "import", variables=settings)
    assert imported.returncode == 0, imported.stderr
    flags = ("--use-cog-base-image", "false")
    asked = run_cog(project, "predict", "--docker", *flags, "-i", "n=1", variables=settings)
    assert asked.stdout == "the weights, Read-only file system\n", asked.stderr[-3000:]

    pushed = run_cog(project, "push", *flags, variables=settings)
    assert pushed.returncode == 0, pushed.stderr[-3000:]
    repository = imported.stderr.partition(", as ")[2].partition(":cog-weight.")[0]
    model, image, weight = pushed.stderr.splitlines()[-3:]
    assert model.startswith(f"  model  {repository}@sha256:")
    assert image.startswith(f"  ├─ image  {repository}@sha256:")
    assert weight.startswith(f"  └─ weight base {repository}@sha256:")
    assert "1 managed weight(s)\n" in pushed.stderr

    engine.images.remove(f"{repository}:cog-image.v1")
    engine.images.pull(repository, tag="v1")
    with running(engine, f"{repository}:v1") as container:
        (entry,) = json.loads(inside(container, "cat", "/src/.cog/weights.json"))["weights"]
    assert (entry["name"], entry["target"], entry["size"]) == ("base", "/weights/base", len("the weights"))
    asked = run_cog(project, "predict", f"{repository}:v1", "-i", "n=1", variables=settings)
    assert f"warning: the managed weights of {repository}:v1 are not mounted; " in asked.stderr
    for name in (f"{repository}:v1", f"{repository}-base"):
        engine.images.remove(name, force=True)
