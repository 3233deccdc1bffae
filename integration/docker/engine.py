"""A Docker Engine, a registry and base images, made from Debian packages, without a public registry."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import docker
import httpx
from docker.errors import DockerException, ImageNotFound
from testing.waiting import wait_for

ROOT: Final = Path(__file__).resolve().parents[2]
PYTHON_VERSION: Final = "3.11"
BASE: Final = f"python:{PYTHON_VERSION}-slim"
FAST_BASE: Final = "pycoglet-base:test"
# The user of a private registry. The registry supports only bcrypt hashes.
PRIVATE_USER: Final = "you"
PRIVATE_WORD: Final = "word"
_HASH: Final = "$2b$05$B.aWz6i3.d3I51F8Ojjfketw8yxmZOaVPRtBT4qy2emihFtD9K3Pa"
_SOCKET: Final = Path("/var/run/docker.sock")
_SUITE: Final = "bookworm"
# On a busy machine with many images it needs more than a server of ours may.
_START_LIMIT_S: Final = 90.0
# The default is 60 s, but a step of a build may install packages for longer without a word.
_REQUEST_LIMIT_S: Final = 500
_NEEDED: Final = ("dockerd", "debootstrap", "docker-registry")
_PACKAGES: Final = "python3,python3-venv,python3-pip,ca-certificates"
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class CannotRun(Exception):
    """This machine lacks something that the tests need."""


def require_tools() -> None:
    """Raise CannotRun if a program that the tests need is absent."""
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if missing:
        raise CannotRun(f"{', '.join(missing)} not installed (on Debian: scripts/packages.sh installs it)")
    if os.geteuid() != 0:
        raise CannotRun("dockerd and debootstrap need root")


@contextmanager
def running_engine(folder: Path) -> Iterator[docker.DockerClient]:
    """Yield a client for the engine of this machine, or for one that is started for the block."""
    with ExitStack() as stack:
        if not _answers():
            stack.enter_context(_own_engine(folder))
        yield stack.enter_context(closing(docker.from_env(timeout=_REQUEST_LIMIT_S)))


@contextmanager
def _own_engine(folder: Path) -> Iterator[None]:
    with (folder / "dockerd.log").open("wb") as log:
        process = subprocess.Popen(["dockerd"], stdout=log, stderr=log)
    try:
        wait_for(_answers, "answer of dockerd", deadline_s=_START_LIMIT_S)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _answers() -> bool:
    if "DOCKER_HOST" not in os.environ and not _is_listening(_SOCKET):
        return False  # without a request: the SDK leaks its socket if there is no listener
    with suppress(DockerException), closing(docker.from_env()) as client:
        return bool(client.ping())
    return False


def _is_listening(path: Path) -> bool:
    # A file is not enough: dockerd creates it before it listens, and leaves it behind when killed.
    with socket.socket(socket.AF_UNIX) as asking, suppress(OSError):
        asking.connect(str(path))
        return True
    return False


def _is_registry(port: int) -> bool:
    with suppress(httpx.TransportError):
        # A private one refuses the request, but says what it is.
        return "docker-distribution-api-version" in httpx.get(f"http://127.0.0.1:{port}/v2/").headers
    return False


def ensure_base(client: docker.DockerClient) -> None:
    """Make the image that Docker Hub has under this name, once per machine."""
    try:
        client.images.get(BASE)
    except ImageNotFound:
        with tempfile.TemporaryDirectory() as folder:
            _make_base(Path(folder))


def _make_base(folder: Path) -> None:
    root = folder / "root"
    command = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", _SUITE, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotRun(f"debootstrap failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    # As in the image on Docker Hub: `python` exists, and pip may install into it.
    for marker in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        marker.unlink()
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as archive:
        subprocess.run(
            ["docker", "import", "--change", f"ENV PATH={_PATH}", "-", BASE],
            stdin=archive.stdout,
            stdout=sys.stderr,
            check=True,
        )


def ensure_fast_base(variables: dict[str, str]) -> None:
    """Build Dockerfile.base on the base image."""
    with tempfile.TemporaryDirectory() as name:
        context = Path(name)
        for item in ("Dockerfile.base", "pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / item, context)
        for item in ("protocol", "schema", "sdk", "worker", "supervisor", "cli"):
            shutil.copytree(ROOT / item, context / item, ignore=shutil.ignore_patterns("__pycache__"))
        certificates = Path(variables["COG_CA_CERT"]).read_bytes() if "COG_CA_CERT" in variables else b""
        (context / "certificates.pem").write_bytes(certificates)
        command = [
            "docker",
            "build",
            "-f",
            "Dockerfile.base",
            "--build-arg",
            f"BASE={BASE}",
            "-t",
            FAST_BASE,
            ".",
        ]
        done = subprocess.run(
            command,
            cwd=context,
            env={**os.environ, "DOCKER_BUILDKIT": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]


@contextmanager
def running_registry(folder: Path, port: int, *, is_private: bool = False) -> Iterator[str]:
    """Run a registry on loopback, which Docker trusts without TLS; yield `host:port`."""
    settings: dict[str, object] = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    if is_private:
        (folder / "users").write_text(f"{PRIVATE_USER}:{_HASH}\n")
        settings["auth"] = {"htpasswd": {"realm": "private", "path": str(folder / "users")}}
    config = folder / "registry.yml"
    config.write_text(json.dumps(settings))  # JSON is valid YAML
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log, stderr=log)
    try:
        wait_for(lambda: _is_registry(port), "answer of the registry")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
