"""How to start the server of a model on this machine: interpreter, environment variables and command."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from coglet_cli.config import CogConfig
from coglet_cli.config.variables import expanded
from coglet_cli.errors import UserError
from coglet_cli.interrupts import run_interruptible
from coglet_cli.local.process import ServerCommand
from coglet_cli.project.model import LocalModel
from coglet_cli.project.schema import OVERRIDE
from coglet_cli.server.address import Address
from coglet_cli.server.log import LogView
from coglet_cli.terminal import Terminal

# Names the model for the server, as `file.py:Name`.
MODEL_VARIABLE: Final = "COG_PREDICT_TYPE_STUB"

_TLS: Final = "COG_TLS_CERTFILE"


@dataclass(frozen=True)
class LocalOptions:
    """The flags that `predict` and `serve` share."""

    file: str
    python: str | None = None
    environment: Sequence[str] = field(default_factory=tuple)
    debug: bool = False
    progress: str = "auto"


def with_interpreter(model: LocalModel, options: LocalOptions, terminal: Terminal) -> LocalOptions:
    """Return the options with the model's Python: `--python`, else an environment made from cog.yaml.

    `python` is None, which means the Python that runs cog, if cog.yaml has no `build`. Raises UserError if
    the environment cannot be made.
    """
    return run_interruptible(lambda _: with_interpreter_beside(model, options, terminal))


async def with_interpreter_beside(
    model: LocalModel, options: LocalOptions, terminal: Terminal
) -> LocalOptions:
    """As `with_interpreter`, in a running event loop."""
    if model.config.weights:
        terminal.warning("managed weights are only available in containers; run with --docker")
    if options.python:
        return replace(options, python=find_interpreter(options.python))
    if not model.has_build:
        return options
    from coglet_cli.python_env.environment import ensure_environment
    from coglet_cli.python_env.recipe import Recipe
    from coglet_cli.python_env.requirements import read_requirements

    build, folder = model.config.build, model.project.folder
    requirements = read_requirements(
        folder, build.python_requirements, build.python_packages, "the version of this cog"
    )
    for warning in requirements.warnings:
        terminal.warning(warning)
    recipe = Recipe(folder, build.python_version, requirements)
    return replace(options, python=await ensure_environment(recipe, options.progress, terminal))


def predictor_reference(config: CogConfig) -> str:
    """Return `file.py:Name` of the predictor. Raises UserError if cog.yaml has none."""
    if config.run is None:
        raise UserError(
            "cog.yaml has no predictor",
            hint='add it to cog.yaml, for example `predict: "predict.py:Predictor"`',
        )
    return config.run


def server_command(
    model: LocalModel,
    options: LocalOptions,
    address: Address,
    terminal: Terminal,
    upload_url: str | None = None,
    *,
    is_training: bool = False,
) -> ServerCommand:
    """Return the command that starts a model's server, or its training server; its log goes to `terminal`."""
    wanted = user_environment(model.config, options, os.environ)
    if _TLS in wanted:
        terminal.warning(
            f"{_TLS} is ignored: cog serves plain HTTP; for HTTPS, start `python -m coglet_supervisor`"
        )
        wanted = {name: value for name, value in wanted.items() if not name.startswith("COG_TLS_")}
    view = LogView.choose(wanted, debug=options.debug)
    environment = {
        **wanted,
        **view.variables,
        **_server_variables(model.config, options, is_training=is_training),
        "PORT": str(address.port),
    }

    def show_line(line: str) -> None:
        view.show(line, terminal)

    return ServerCommand(model.project.folder, address, environment, show_line, upload_url, is_training)


def user_environment(
    config: CogConfig, options: LocalOptions, inherited: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables of this process, overridden by those of cog.yaml, overridden by those of `-e`."""
    around = {**inherited, **_activation(options.python, inherited)}
    return {
        **around,
        **expanded(config.environment, around),
        **parse_variables(options.environment, inherited),
    }


def _activation(python: str | None, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that `activate` of a virtual environment sets, so that its programs are found."""
    if python is None or not Path(python).parent.with_name("pyvenv.cfg").is_file():
        return {}
    programs = Path(python).parent
    return {
        "VIRTUAL_ENV": str(programs.parent),
        "PATH": os.pathsep.join([str(programs), *filter(None, [inherited.get("PATH")])]),
    }


def _server_variables(config: CogConfig, options: LocalOptions, *, is_training: bool) -> dict[str, str]:
    variables = {}
    if config.run or not is_training:
        variables[MODEL_VARIABLE] = predictor_reference(config)
    if config.train:
        variables["COG_TRAIN_TYPE_STUB"] = config.train
    if config.max_concurrency:
        variables["COG_MAX_CONCURRENCY"] = str(config.max_concurrency)
    if os.environ.get(OVERRIDE):
        # The server would resolve a relative path from the model's folder.
        variables[OVERRIDE] = os.path.abspath(os.environ[OVERRIDE])
    if options.python:
        variables["COG_WORKER_PYTHON"] = find_interpreter(options.python)
    return variables


def parse_variables(entries: Sequence[str], inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of `-e`. Raises UserError if an entry has no name."""
    variables = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not name:
            raise UserError(f"invalid environment variable '{entry}', expected format is 'NAME=value'")
        # As with `docker run -e NAME`: without a value, the inherited one is passed on.
        if equals or name in inherited:
            variables[name] = value if equals else inherited[name]
    return variables


def find_interpreter(name: str) -> str:
    """Return the absolute path of a Python, given as a path or a command. Raises UserError if not found."""
    found = shutil.which(os.path.expanduser(name))
    if found is None:
        raise UserError(
            f"no Python interpreter at {name}",
            hint="pass the path of an executable, for example --python .venv/bin/python",
        )
    # Links are not resolved: the link's path identifies a virtual environment.
    return os.path.abspath(found)
