"""The model of a project: its folder and its validated configuration."""

from dataclasses import dataclass
from pathlib import Path

from coglet_cli.config import CogConfig, load_config
from coglet_cli.project.folder import Project, find_project
from coglet_cli.terminal import Terminal


@dataclass(frozen=True)
class LocalModel:
    """A model's folder and its configuration; `has_build` if cog.yaml has a `build` section."""

    project: Project
    config: CogConfig
    has_build: bool = False


def load_local_model(file: str, terminal: Terminal, *, strict: bool = False) -> LocalModel:
    """Find the project of the current folder, load its configuration and show its warnings.

    With `strict`, an unknown key is an error. Raises ProjectNotFound or ConfigError.
    """
    project = find_project(file, Path.cwd())
    loaded = load_config(project.config_file, project.folder, strict=strict)
    for warning in loaded.warnings:
        terminal.warning(warning)
    return LocalModel(project, loaded.config, loaded.has_build)
