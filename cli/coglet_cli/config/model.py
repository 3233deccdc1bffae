"""The typed configuration of one model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

DEFAULT_PYTHON_VERSION: Final = "3.13"


@dataclass(frozen=True)
class Mount:
    """A secret (or SSH agent) that one `build.run` command may read."""

    type: str
    id: str | None = None
    target: str | None = None


@dataclass(frozen=True)
class RunCommand:
    """One command of `build.run` or `build.pre_install`."""

    command: str
    mounts: tuple[Mount, ...] = ()


@dataclass(frozen=True)
class Build:
    """The `build` section: how to build the model's image."""

    python_version: str = DEFAULT_PYTHON_VERSION
    gpu: bool = False
    cuda: str | None = None
    cudnn: str | None = None
    python_requirements: str | None = None
    python_packages: tuple[str, ...] = ()
    system_packages: tuple[str, ...] = ()
    run: tuple[RunCommand, ...] = ()
    pre_install: tuple[RunCommand, ...] = ()
    sdk_version: str | None = None
    user: int | None = None
    fast: bool = False


@dataclass(frozen=True)
class WeightSource:
    """The source of a managed weight's files, and the patterns that select files from it."""

    uri: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class Weight:
    """One managed weight: a set of files mounted at `target`."""

    name: str
    target: str
    sources: tuple[WeightSource, ...]


@dataclass(frozen=True)
class CogConfig:
    """The whole of `cog.yaml`. `run` is the predictor's reference, from the key `run` or `predict`."""

    build: Build = field(default_factory=Build)
    run: str | None = None
    train: str | None = None
    image: str | None = None
    model: str | None = None
    max_concurrency: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    weights: tuple[Weight, ...] = ()
