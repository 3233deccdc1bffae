"""Where the model is: the folder that holds the configuration file."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from coglet_cli.errors import ProjectNotFound

# As many folders as the peer climbs; a deeper tree is a mount loop rather than a project.
MAX_PARENTS: Final = 100


@dataclass(frozen=True)
class Project:
    """A model's folder. All relative paths of its configuration are relative to `folder`."""

    folder: Path
    config_file: Path


def find_project(file_name: str, cwd: Path) -> Project:
    """The nearest folder, from `cwd` upwards, from which `file_name` can be found. Raises ProjectNotFound.

    With `-f configs/gpu.yaml` the project is the folder above `configs`, as with the peer.
    """
    if Path(file_name).is_absolute() and Path(file_name).is_file():
        return Project(Path(file_name).parent, Path(file_name))
    for folder in islice([cwd, *cwd.parents], MAX_PARENTS):
        if (folder / file_name).is_file():
            return Project(folder, folder / file_name)
    raise ProjectNotFound(file_name, cwd)
