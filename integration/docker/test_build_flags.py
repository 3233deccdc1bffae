"""The effects of the flags of `cog build` on an image, with a small model for each."""

import json
import shutil
import subprocess
import uuid
import zipfile
from pathlib import Path

import docker
import pytest
from integration.docker.containers import build, health, inside, run_cog, running
from integration.docker.engine import BASE, FAST_BASE
from testing.waiting import wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.parametrize("example", ["hello"], indirect=True),
]
NAME = "pycoglet-test-flags"
# The fifth byte of a bytecode file is 1 for a hash that is not checked. Source: PEP 552.
BYTECODE_KIND = (
    "import importlib.util as i, msgspec; print(open(i.cache_from_source(msgspec.__file__), 'rb').read(5)[4])"
)


def test_timestamp(engine: docker.DockerClient, example: Path, variables: dict[str, str]) -> None:
    identifiers = set()
    # First with cached layers, which may be from another day, then with new ones.
    for flags in ((), ("--no-cache",)):
        build(example, NAME, variables, "--timestamp", "1000000000", *flags)
        identifiers.add(engine.images.get(NAME).id)
    assert len(identifiers) == 1
    image = engine.images.get(NAME)
    assert image.attrs["Created"].startswith("2001-09-09T01:46:40")
    with running(engine, NAME) as container:
        newer = inside(container, *"find /src /opt/coglet -newermt @1000000000".split())
        assert "/src/predict.py" not in newer
        assert "entrypoint.py" not in newer
        wait_for(lambda: health(container) == "READY", "READY")


def test_separate_weights(engine: docker.DockerClient, example: Path, variables: dict[str, str]) -> None:
    with (example / "model.bin").open("wb") as weights:
        weights.truncate(10 * 1024 * 1024)
    build(example, NAME, variables, "--separate-weights")
    again = build(example, NAME, variables, "--separate-weights")
    assert "\nWeights unchanged, skip rebuilding and use cached image...\n" in again
    sizes = {step["CreatedBy"]: step["Size"] for step in engine.images.get(NAME).history()}
    [source] = [size for step, size in sizes.items() if step.endswith(" in /src ")]
    assert source < 1e6
    with running(engine, NAME) as container:
        assert inside(container, "stat", "-c", "%s", "/src/model.bin") == "10485760\n"
    # A pruned image is built again although the files are the same.
    engine.images.remove(f"{NAME}-weights", force=True)
    assert "Weights unchanged" not in build(example, NAME, variables, "--separate-weights")


@pytest.mark.usefixtures("fast_base")
def test_weights_of_a_fast_build(
    engine: docker.DockerClient, example: Path, variables: dict[str, str]
) -> None:
    own = {**variables, "COG_MONOBASE_IMAGE": FAST_BASE}
    with (example / "model.bin").open("wb") as weights:
        weights.truncate(10 * 1024 * 1024)
    layers = []
    for word in ("Hi", "Hey"):
        (example / "predict.py").write_text((example / "predict.py").read_text().replace("Hello", word))
        build(example, NAME, own, "--x-fast")
        layers.append(engine.images.get(NAME).attrs["RootFS"]["Layers"])
    sizes = [step["Size"] for step in engine.images.get(NAME).history() if " in /src" in step["CreatedBy"]]
    assert [size > 1e7 for size in sizes] == [False, True]
    assert layers[0][:-2] == layers[1][:-2]
    with running(engine, NAME) as container:
        assert inside(container, "stat", "-c", "%s %u", "/src/model.bin") == "10485760 0\n"


def test_a_dockerfile_of_the_user(
    engine: docker.DockerClient, example: Path, hello_image: str, tmp_path: Path
) -> None:
    word = uuid.uuid4().hex
    (tmp_path / "Own").write_text(f"FROM {hello_image}\nCOPY cog.yaml /own.yaml\nENV WORD={word}\n")
    (example / "cog.yaml").write_text(
        'build: {python_version: "3.11"}\npredict: "predict.py:Predictor"\nconcurrency: {max: 1}\n'
    )
    done = run_cog(example, "build", "-t", NAME, "--dockerfile", str(tmp_path / "Own"))
    assert done.returncode == 0, done.stderr
    image = engine.images.get(NAME)
    assert f"WORD={word}" in image.attrs["Config"]["Env"]
    assert "COG_MAX_CONCURRENCY=1" in image.attrs["Config"]["Env"]
    assert json.loads(image.labels["run.cog.openapi_schema"])["openapi"]
    asked = run_cog(tmp_path, "predict", NAME, "-i", "name=Ada")
    assert (asked.stdout, asked.returncode) == ("Hello, Ada!\n", 0), asked.stderr


def test_a_dockerfile_that_does_not_exist(
    engine: docker.DockerClient, example: Path, variables: dict[str, str]
) -> None:
    done = run_cog(example, "build", "--dockerfile", "None", variables=variables)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        1,
        "error: failed to read None: No such file or directory",
    )


def test_precompile(engine: docker.DockerClient, example: Path, variables: dict[str, str]) -> None:
    build(example, NAME, variables, "--precompile")
    with running(engine, NAME) as container:
        assert inside(container, "python", "-c", BYTECODE_KIND) == "1\n"


@pytest.mark.skipif(shutil.which("gcc") is None, reason="CANNOT RUN HERE: --strip: there is no gcc")
def test_strip(engine: docker.DockerClient, example: Path, variables: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "native.c").write_text("int answer(void) { return 42; }\n")
    subprocess.run(["gcc", "-g", "-shared", "-o", "native.so", "native.c"], cwd=tmp_path, check=True)
    library = (tmp_path / "native.so").read_bytes()
    with zipfile.ZipFile(example / "native-1-py3-none-any.whl", "w") as wheel:
        for name in ("native.so", "native.libs/native.so"):
            wheel.writestr(name, library)
        wheel.writestr("native-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: native\nVersion: 1\n")
        wheel.writestr("native-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("native-1.dist-info/RECORD", "")
    (example / "requirements.txt").write_text("./native-1-py3-none-any.whl\n")
    config = example / "cog.yaml"
    config.write_text(
        config.read_text().replace("build:\n", "build:\n  python_requirements: requirements.txt\n")
    )
    build(example, NAME, variables, "--strip")
    with running(engine, NAME) as container:
        folder = inside(container, "python", "-c", "import sysconfig; print(sysconfig.get_path('platlib'))")
        files = [f"{folder.strip()}/{name}" for name in ("native.so", "native.libs/native.so")]
        stripped, left = map(int, inside(container, "stat", "-c", "%s", *files).split())
        assert (stripped < len(library), left) == (True, len(library))


def test_legacy_labels_and_no_schema(
    engine: docker.DockerClient, example: Path, variables: dict[str, str]
) -> None:
    build(example, NAME, variables, "--legacy-labels", "--skip-schema-validation")
    labels = engine.images.get(NAME).labels
    assert labels["org.cogmodel.config"] == labels["run.cog.config"]
    assert labels["org.cogmodel.cog_version"] == labels["run.cog.version"]
    assert labels["org.cogmodel.openapi_schema"] == labels["run.cog.openapi_schema"] == ""
    with running(engine, NAME) as container:
        # The server generates the document from the source.
        wait_for(lambda: health(container) == "READY", "READY")


def test_the_labels_of_a_cog_base_image(
    engine: docker.DockerClient, example: Path, variables: dict[str, str]
) -> None:
    base = engine.images.get(BASE)
    base.tag("cog.test/cog-base", "python3.11")
    own = {**variables, "COG_BASE_IMAGE_HOST": "cog.test"}
    stderr = build(example, NAME, own, "--use-cog-base-image", "true")
    assert "FROM cog.test/cog-base:python3.11 AS start\n" in stderr
    image = engine.images.get(NAME)
    index = int(image.labels["run.cog.cog-base-image-last-layer-idx"])
    assert image.labels["run.cog.cog-base-image-name"] == "cog.test/cog-base:python3.11"
    assert image.labels["run.cog.cog-base-image-last-layer-sha"] == image.attrs["RootFS"]["Layers"][index]
    assert image.attrs["RootFS"]["Layers"][: index + 1] == base.attrs["RootFS"]["Layers"]


def test_a_model_that_is_excluded(
    engine: docker.DockerClient, example: Path, variables: dict[str, str]
) -> None:
    (example / ".dockerignore").write_text("*.py\n")
    stderr = build(example, NAME, variables)
    assert "warning: .dockerignore excludes predict.py: the model cannot start without it\n" in stderr


def test_a_platform_without_a_base_image(
    engine: docker.DockerClient, example: Path, variables: dict[str, str]
) -> None:
    done = run_cog(example, "build", "-t", NAME, "--platform", "linux/arm64", variables=variables)
    assert done.returncode == 1
    assert "Could not find a suitable base image" not in done.stderr
    assert "does not match the specified platform: wanted linux/arm64, actual: linux/amd64\n" in done.stderr
