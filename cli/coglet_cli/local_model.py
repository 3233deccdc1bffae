"""A model in a folder of this machine, ready to be served without Docker."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coglet_cli.config import CogConfig, load_config
from coglet_cli.errors import UserError
from coglet_cli.project import Project, find_project
from coglet_cli.terminal import Terminal


@dataclass(frozen=True)
class LocalOptions:
    """The flags that `predict` and `serve` share."""

    file: str
    python: str | None = None
    environment: Sequence[str] = field(default_factory=tuple)
    debug: bool = False


@dataclass(frozen=True)
class LocalModel:
    """A model's folder and its configuration."""

    project: Project
    config: CogConfig


def load_local_model(file: str, terminal: Terminal) -> LocalModel:
    """Finds the project of the current folder and reads its configuration; tells its warnings."""
    project = find_project(file, Path.cwd())
    loaded = load_config(project.config_file, project.folder)
    for warning in loaded.warnings:
        terminal.warning(warning)
    return LocalModel(project, loaded.config)


def predictor_reference(config: CogConfig) -> str:
    """`file.py:Name` of the predictor. Raises UserError when the model has none."""
    if config.run is None:
        raise UserError(
            "cog.yaml names no predictor", hint='add it to cog.yaml, for example `run: "run.py:Runner"`'
        )
    return config.run


def server_environment(
    model: LocalModel, options: LocalOptions, port: int, inherited: Mapping[str, str]
) -> dict[str, str]:
    """The variables of the server: the inherited ones, then those of cog.yaml, then `-e`, then ours."""
    environment = {"LOG_FORMAT": "console", "COG_LOG_LEVEL": "warning", **inherited}
    if options.debug:
        environment["COG_LOG_LEVEL"] = "debug"
    environment.update(model.config.environment)
    environment.update(_parse_variables(options.environment, inherited))
    environment["PORT"] = str(port)
    environment["COG_PREDICT_TYPE_STUB"] = predictor_reference(model.config)
    if model.config.train:
        environment["COG_TRAIN_TYPE_STUB"] = model.config.train
    if model.config.max_concurrency:
        environment["COG_MAX_CONCURRENCY"] = str(model.config.max_concurrency)
    if options.python:
        environment["COG_WORKER_PYTHON"] = find_interpreter(options.python)
    return environment


def _parse_variables(entries: Sequence[str], inherited: Mapping[str, str]) -> dict[str, str]:
    variables = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not name:
            raise UserError(f"invalid environment variable '{entry}', expected format is 'NAME=value'")
        # As with `docker run -e NAME`: without a value it is handed on.
        if equals or name in inherited:
            variables[name] = value if equals else inherited[name]
    return variables


def find_interpreter(name: str) -> str:
    """The absolute path of a Python, given as a path or as a command. Raises UserError."""
    found = shutil.which(os.path.expanduser(name))
    if found is None:
        raise UserError(
            f"no Python interpreter at {name}",
            hint="give the path of an executable, for example --python .venv/bin/python",
        )
    # Not resolved: a virtual environment is known by the path of its link.
    return os.path.abspath(found)
