"""Checks of this machine."""

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from packaging.version import InvalidVersion, Version

from coglet_cli.doctor.finding import Finding
from coglet_cli.doctor.subject import Skipped, Subject
from coglet_cli.errors import UserError
from coglet_cli.images.compatibility import resolve_cuda
from coglet_cli.python_env.installer import find_uv
from coglet_cli.python_env.interpreter import NoInterpreter, choose_interpreter
from coglet_cli.python_env.requirements import read_requirements

SKIP_DOCKER: Final = "COG_SKIP_DOCKER_CHECK"
SKIP_GPU: Final = "COG_SKIP_GPU_CHECK"
_TIMEOUT_S: Final = 5
# Compute capability, and the first releases of torch and CUDA that support it. Source: release
# notes of PyTorch 2.7 and 2.0.1, and of the CUDA toolkits 12.8 and 11.8.
_FLOORS: Final = (((10, 0), "2.7.0", "12.8"), ((9, 0), "2.0.1", "11.8"))


def look_docker(_: Subject) -> Sequence[Finding]:
    """Check that a Docker Engine responds."""
    if os.environ.get(SKIP_DOCKER):
        raise Skipped(f"{SKIP_DOCKER} is set")
    from coglet_cli.engine.client import Engine

    try:
        Engine.connect(timeout_s=_TIMEOUT_S)
    except UserError as error:
        remediation = f"start Docker, or set {SKIP_DOCKER}: predict and serve work without it"
        return [Finding(f"Docker is not available: {error.message}", remediation=remediation)]
    return []


def look_python(subject: Subject) -> Sequence[Finding]:
    """Check that this machine has the Python version that the configuration names."""
    if not subject.data.get("build"):
        return []
    wanted = subject.config.build.python_version
    try:
        found = choose_interpreter(wanted, os.environ, find_uv(os.environ))
    except NoInterpreter as error:
        own = "{}.{}.{}".format(*sys.version_info[:3])
        message = (
            f"{subject.config_name} asks for Python {wanted}, which this machine lacks; cog runs on {own}"
        )
        return [Finding(message, remediation=error.hint)]
    if not found.is_exactly(wanted):
        return [Finding(f"{subject.config_name} asks for Python {wanted}, this machine has {found.version}")]
    return []


def look_gpu(subject: Subject) -> Sequence[Finding]:
    """Check that the model's torch and CUDA versions support the GPUs of this machine."""
    if os.environ.get(SKIP_GPU):
        raise Skipped(f"{SKIP_GPU} is set")
    build = subject.config.build
    if not build.gpu:
        return []
    try:
        requirements = read_requirements(
            subject.folder, build.python_requirements, build.python_packages, "this release"
        )
        cuda = resolve_cuda(build, requirements)
    except UserError as error:
        raise Skipped(error.message) from None
    versions = {"torch": requirements.pin("torch"), "CUDA": cuda.version if cuda else None}
    return [
        Finding(
            f"GPU with compute capability {'.'.join(map(str, capability))} needs {name} {floor} or newer, "
            f"but the model uses {version}"
        )
        for capability in _capabilities()
        for name, floor in _floors(capability)
        if (version := versions[name]) and _is_older(version, floor)
    ]


def _is_older(version: str, floor: str) -> bool:
    """Return True for a release before `floor`; text that is not a version counts as newer."""
    try:
        return Version(version) < Version(floor)
    except InvalidVersion:
        return False


def _floors(capability: tuple[int, ...]) -> list[tuple[str, str]]:
    for least, torch, cuda in _FLOORS:
        if capability >= least:
            return [("torch", torch), ("CUDA", cuda)]
    return []


def _capabilities() -> list[tuple[int, ...]]:
    command = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        raise Skipped("nvidia-smi finds no GPU") from None
    lines = {line.strip() for line in done.stdout.splitlines() if line.strip()}
    numbers = [line.split(".") for line in lines if line.replace(".", "").isdecimal()]
    return sorted(tuple(map(int, parts)) for parts in numbers)
