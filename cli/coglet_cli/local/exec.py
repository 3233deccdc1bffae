"""`cog exec --local`: a command on this machine in the model's environment."""

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

from coglet_cli.errors import UserError
from coglet_cli.local.model import LocalOptions, user_environment, with_interpreter
from coglet_cli.project.model import load_local_model
from coglet_cli.terminal import Terminal


def run_local_command(options: LocalOptions, command: Sequence[str], terminal: Terminal) -> NoReturn:
    """Replace this process by the command, in the model's folder, with the model's environment on PATH.

    Without an environment of its own, a model runs in the Python that runs cog, and so does the command.
    Raises UserError if the command cannot be executed.
    """
    model = load_local_model(options.file, terminal)
    options = with_interpreter(model, options, terminal)
    options = replace(options, python=options.python or sys.executable)
    variables = user_environment(model.config, options, os.environ)
    os.chdir(model.project.folder)
    program = shutil.which(command[0], path=variables.get("PATH"))
    if program is None:
        raise UserError(f"{command[0]}: command not found", hint="`cog exec --local env` shows the PATH")
    try:
        os.execve(program, list(command), variables)
    except OSError as error:
        raise UserError(f"{command[0]}: {error.strerror}") from None
