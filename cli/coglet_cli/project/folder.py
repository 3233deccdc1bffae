"""The model's folder: the one that contains the configuration file."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from coglet_cli.errors import ProjectNotFound

# The limit of Cog; a deeper tree is more likely a mount loop than a project.
MAX_PARENTS: Final = 100


@dataclass(frozen=True)
class Project:
    """A model's folder. All relative paths of its configuration are relative to `folder`."""

    folder: Path
    config_file: Path


def find_project(file_name: str, cwd: Path) -> Project:
    """Return the nearest folder, from `cwd` upwards, that contains `file_name`. Raises ProjectNotFound.

    With `-f configs/gpu.yaml` the project is the parent folder of `configs`, as in Cog.
    """
    if Path(file_name).is_absolute() and Path(file_name).is_file():
        return Project(Path(file_name).parent, Path(file_name))
    for folder in islice([cwd, *cwd.parents], MAX_PARENTS):
        if (folder / file_name).is_file():
            return Project(folder, folder / file_name)
    raise ProjectNotFound(file_name, cwd)
