"""An engine for all tests in this folder. Without one, they are skipped, and CI fails."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from integration.docker.containers import build
from integration.docker.engine import (
    PYTHON_VERSION,
    ROOT,
    CannotRun,
    ensure_base,
    ensure_fast_base,
    require_tools,
    running_engine,
    running_registry,
)
from integration.docker.other_python import ensure_other_base
from testing.ports import reserved_port

_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """A client for an engine that has the base image."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            require_tools()
            with running_engine(Path(folder)) as client:
                ensure_base(client)
                yield client
        except CannotRun as reason:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(f"CANNOT RUN HERE: the tests with Docker: {reason}")


@pytest.fixture(scope="session")
def variables() -> dict[str, str]:
    """The variables that `cog` needs for a build here: the certificates that this machine trusts."""
    return {"COG_CA_CERT": str(_BUNDLE)} if _BUNDLE.exists() else {}


@pytest.fixture(scope="session")
def fast_base(engine: docker.DockerClient, variables: dict[str, str]) -> None:
    """The base image of fast builds."""
    ensure_fast_base(variables)


@pytest.fixture(scope="session")
def registry(engine: docker.DockerClient) -> Iterator[str]:
    """`host:port` of a registry on loopback."""
    with tempfile.TemporaryDirectory() as folder:
        with reserved_port() as port, running_registry(Path(folder), port) as host:
            yield host


@pytest.fixture
def other_python(engine: docker.DockerClient) -> str:
    """A version of Python that Debian does not have, for which a base image exists."""
    version = "3.13"
    try:
        ensure_other_base(engine, version)
    except CannotRun as reason:
        pytest.skip(f"CANNOT RUN HERE: another Python in an image: {reason}")
    return version


@pytest.fixture(scope="session")
def private_registry(engine: docker.DockerClient) -> Iterator[str]:
    """`host:port` of a registry on loopback that requires a login."""
    with tempfile.TemporaryDirectory() as folder:
        with reserved_port() as port, running_registry(Path(folder), port, is_private=True) as host:
            yield host


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a folder in examples/, for the Python of the base image."""
    return _copied(request.param, tmp_path)


@pytest.fixture(scope="session")
def hello_image(
    engine: docker.DockerClient, variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The name of an image of the example hello, for tests that only run it."""
    name = "pycoglet-test-hello-shared"
    build(_copied("hello", tmp_path_factory.mktemp("shared")), name, variables)
    return name


def _copied(name: str, parent: Path) -> Path:
    folder = parent / name
    shutil.copytree(ROOT / "examples" / name, folder, ignore=shutil.ignore_patterns(".cog"))
    config = folder / "cog.yaml"
    config.write_text(config.read_text().replace('"3.13"', f'"{PYTHON_VERSION}"'))
    return folder
