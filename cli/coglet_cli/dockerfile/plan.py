"""The contents of an image: everything that a generator needs, already decided."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from coglet_cli.config import CogConfig, RunCommand

ROOT: Final = 0
# Folders of the build context: files prepared by cog, the project, and its weights, which get own layers.
STAGED: Final = "build"
PROJECT: Final = "project"
WEIGHTS: Final = "weights"
SOURCE_FOLDER: Final = "/src"
SUPERVISOR_PYTHON: Final = "/opt/coglet/bin/python"
_SERVER_FROM: Final = (3, 11)
_NEWER_PYTHON: Final = "3.13"
ENTRYPOINT: Final = "/opt/coglet/entrypoint.py"


class BaseKind(Enum):
    """Where the Python of the base image comes from."""

    SLIM = "python"
    CUDA = "nvidia/cuda"
    COG_BASE = "cog-base"


@dataclass(frozen=True)
class Packages:
    """What pip installs into the two environments: requirements, URLs, or wheels in the build context."""

    model: str
    server: str
    is_staged: bool = False
    allow_prereleases: bool = False


@dataclass(frozen=True)
class ImagePlan:
    """One image. `weights` are large folders and files of the project, from `weights_image` if it is set."""

    config: CogConfig
    base: str
    packages: Packages
    kind: BaseKind = BaseKind.SLIM
    has_requirements: bool = False
    has_constraints: bool = False
    has_artifacts: bool = False
    has_certificate: bool = False
    has_source: bool = True
    config_file: str = "cog.yaml"
    max_concurrency: int | None = None
    weights_image: str | None = None
    weights: tuple[str, ...] = ()
    use_buildkit: bool = False
    strip: bool = False
    precompile: bool = False
    has_timestamp: bool = False
    torch: str | None = None
    cuda: str | None = None
    cudnn: str | None = None

    @property
    def server_python(self) -> str | None:
        """The Python version that uv installs for the server, None if it uses the model's interpreter.

        The model's interpreter has the version that cog.yaml names, on every base image. If it is new enough,
        another one would only cost a download and 100 MB. Other interpreters of a base image, such as
        Ubuntu's /usr/bin/python3, can have any version.
        """
        major, minor = self.config.build.python_version.split(".")[:2]
        return None if (int(major), int(minor)) >= _SERVER_FROM else _NEWER_PYTHON

    @property
    def user(self) -> int:
        """The user id that the container runs as."""
        return self.config.build.user or ROOT

    @property
    def is_root_only(self) -> bool:
        """False if another user may run the image: `build.user`, or the owner of a mounted folder."""
        return self.user == ROOT and self.has_source

    @property
    def commands(self) -> tuple[RunCommand, ...]:
        """The commands of `build.run` and `build.pre_install`, in the order in which they run."""
        return (*self.config.build.run, *self.config.build.pre_install)
