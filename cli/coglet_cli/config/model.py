"""The configuration of one model, as the rest of the command line sees it: typed and complete."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

DEFAULT_PYTHON_VERSION: Final = "3.13"


@dataclass(frozen=True)
class Mount:
    """A secret (or ssh agent) that one `build.run` command may read."""

    type: str
    id: str | None = None
    target: str | None = None


@dataclass(frozen=True)
class RunCommand:
    """One extra line of the image build."""

    command: str
    mounts: tuple[Mount, ...] = ()


@dataclass(frozen=True)
class Build:
    """How the image of the model is made."""

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
    """Where the files of a managed weight come from, and which of them."""

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
    """Everything `cog.yaml` says. `run` holds the predictor whether the file says `run` or `predict`."""

    build: Build = field(default_factory=Build)
    run: str | None = None
    train: str | None = None
    image: str | None = None
    model: str | None = None
    max_concurrency: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    weights: tuple[Weight, ...] = ()
