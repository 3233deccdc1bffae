"""Stand-ins for base images that cannot be pulled here, with the users, modes and Pythons of the real ones.

Each is made once per machine, and raises CannotRun if pyenv does not have its Pythons.
"""

import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import docker
from docker.errors import ImageNotFound
from integration.docker.engine import BASE
from integration.docker.other_python import kept_in_image, pyenv_folder
from uv import find_uv_bin

from coglet_cli.dockerfile.pieces import BUNDLE, TOOLS

COG_BASE_HOST: Final = "cog.test"
CUDA_BASE: Final = "nvidia/cuda:11.8.0-cudnn8-devel-ubuntu22.04"
PYENV_BASE: Final = f"{COG_BASE_HOST}/cog-base:python3.10"
UV_BASE: Final = f"{COG_BASE_HOST}/cog-base:python3.13"
_UBUNTU: Final = "pycoglet-test-ubuntu"
_UBUNTUS_PYTHON: Final = "3.10"
_UVS_PYTHON: Final = "3.13"
# As in Ubuntu 22.04, the base of NVIDIA's and cog-base images: an older Python, no `python`, and root's home
# accessible only to root. uv installs its interpreter from a file, since the download may be unreachable.
_UBUNTU_DOCKERFILE: Final = f"""\
FROM {BASE}
RUN apt-get update -qq && apt-get install -qqy --no-install-recommends {" ".join(TOOLS)}
COPY pythons /opt/pythons
RUN cat /opt/pythons/certificates.pem >>{BUNDLE} && cp -a /opt/pythons/lib/. /usr/local/lib && ldconfig \\
    && ln -sf /opt/pythons/ubuntu/bin/python3 /usr/bin/python3 && rm /usr/local/bin/python && chmod 700 /root
ENV UV_PYTHON_DOWNLOADS_JSON_URL=/opt/pythons/downloads.json
"""
_PYENV_DOCKERFILE: Final = f"""\
FROM {_UBUNTU}
COPY pyenv /root/.pyenv
ENV PATH=/root/.pyenv/shims:/root/.pyenv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN mkdir /root/.pyenv/versions && cp -a /opt/pythons/ubuntu /root/.pyenv/versions/{_UBUNTUS_PYTHON} \\
    && echo {_UBUNTUS_PYTHON} >/root/.pyenv/version && pyenv rehash
"""
_UV_DOCKERFILE: Final = f"""\
FROM {_UBUNTU}
RUN cp /opt/pythons/uv /usr/local/bin
ENV UV_SYSTEM_PYTHON=true UV_PYTHON={_UVS_PYTHON}
RUN uv python install {_UVS_PYTHON} && python=$(uv python find --managed-python {_UVS_PYTHON}) \\
    && ln -sf $python /usr/bin/python3 && ln -sf $python /usr/local/bin/python
"""


@contextmanager
def plain_base(client: docker.DockerClient) -> Iterator[None]:
    """Yield; this base image exists in all tests."""
    yield


@contextmanager
def cuda_base(client: docker.DockerClient) -> Iterator[None]:
    """Provide NVIDIA's image, or one like it, which has its name only during the block."""
    if _is_there(client, CUDA_BASE):
        yield
        return
    _ensure_ubuntu(client)
    client.images.get(_UBUNTU).tag(CUDA_BASE)
    try:
        yield
    finally:
        client.images.remove(CUDA_BASE, noprune=True)


@contextmanager
def pyenv_base(client: docker.DockerClient) -> Iterator[None]:
    """Provide a cog-base image like those of older releases of Cog, with a Python from pyenv."""
    if not _is_there(client, PYENV_BASE):
        _ensure_ubuntu(client)
        root = pyenv_folder(_UBUNTUS_PYTHON).parents[1]
        folders = {f"pyenv/{name}": root / name for name in ("bin", "libexec", "pyenv.d", "completions")}
        _build(client, PYENV_BASE, _PYENV_DOCKERFILE, folders)
    yield


@contextmanager
def uv_base(client: docker.DockerClient) -> Iterator[None]:
    """Provide a cog-base image like those of newer releases of Cog, with a Python from uv."""
    if not _is_there(client, UV_BASE):
        _ensure_ubuntu(client)
        _build(client, UV_BASE, _UV_DOCKERFILE, {})
    yield


def _ensure_ubuntu(client: docker.DockerClient) -> None:
    if _is_there(client, _UBUNTU):
        return
    old, new = pyenv_folder(_UBUNTUS_PYTHON), pyenv_folder(_UVS_PYTHON)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with tarfile.open(folder / "uv.tar.gz", "w:gz", compresslevel=1) as archive:
            archive.add(new, "python", filter=kept_in_image)
        (folder / "downloads.json").write_text(_downloads(new.name, folder / "uv.tar.gz"))
        bundle = Path(BUNDLE)
        (folder / "certificates.pem").write_bytes(bundle.read_bytes() if bundle.exists() else b"")
        libraries = {
            f"pythons/lib/{path.name}": path
            for version in (old, new)
            for path in (version / "lib").glob("libpython3.*.so.1.0")
        }
        contents = {"pythons": folder, "pythons/ubuntu": old, "pythons/uv": Path(find_uv_bin()), **libraries}
        _build(client, _UBUNTU, _UBUNTU_DOCKERFILE, contents)


def _downloads(version: str, archive: Path) -> str:
    """Return uv's list of the interpreters that it can download, which has only this one."""
    major, minor, patch = map(int, version.split("."))
    entry = {
        "name": "cpython",
        "arch": {"family": "x86_64", "variant": None},
        "os": "linux",
        "libc": "gnu",
        "major": major,
        "minor": minor,
        "patch": patch,
        "prerelease": "",
        "url": f"file:///opt/pythons/{archive.name}",
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "variant": None,
        "build": "1",
    }
    return json.dumps({f"cpython-{version}-linux-x86_64-gnu": entry})


def _is_there(client: docker.DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except ImageNotFound:
        return False
    return True


def _build(client: docker.DockerClient, name: str, dockerfile: str, contents: Mapping[str, Path]) -> None:
    with tempfile.TemporaryFile() as context:
        with tarfile.open(fileobj=context, mode="w") as archive:
            for target, path in contents.items():
                archive.add(path, target, filter=kept_in_image)
            entry = tarfile.TarInfo("Dockerfile")
            entry.size = len(dockerfile)
            archive.addfile(entry, io.BytesIO(dockerfile.encode()))
        context.seek(0)
        client.images.build(fileobj=context, custom_context=True, tag=name, rm=True)
