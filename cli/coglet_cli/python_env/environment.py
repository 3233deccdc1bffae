"""Makes the environment of a model, or finds an existing one."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coglet_cli.cache_folder import cache_folder
from coglet_cli.errors import UserError
from coglet_cli.progress import Progress
from coglet_cli.python_env.cache import EnvironmentCache
from coglet_cli.python_env.installer import Installer, Uv, VenvAndPip, find_uv, python_of
from coglet_cli.python_env.interpreter import Interpreter, choose_interpreter
from coglet_cli.python_env.recipe import Recipe
from coglet_cli.terminal import Terminal

_LAST_LINES: Final = 20


class InstallerFailed(UserError):
    """uv or pip failed; the message contains its last lines unless they were already shown."""

    def __init__(self, name: str, code: int, unseen: Sequence[str]) -> None:
        lines = "".join(f"\n  {line}" for line in unseen[-_LAST_LINES:])
        super().__init__(
            f"failed to install the model's packages: {name} ended with exit code {code}{lines}",
            hint="check the requirements in cog.yaml and the package index (PIP_INDEX_URL, UV_INDEX_URL); "
            "--python runs the model in an environment of your own",
        )


@dataclass(frozen=True)
class Maker:
    """Makes environments with one installer."""

    installer: Installer
    environ: Mapping[str, str]
    progress: Progress
    terminal: Terminal

    async def make(self, cache: EnvironmentCache, recipe: Recipe, python: Interpreter) -> Path:
        """Return the environment's folder, made by the first process to get the lock.

        Raises InstallerFailed.
        """

        def on_wait() -> None:
            self.terminal.info("Waiting for another cog process that is making the same environment...")

        async with cache.lock(recipe.key, on_wait) as lock:
            if made := cache.find(recipe.key):
                return made
            self.terminal.info(
                f"Making an environment for the model: Python {python.version} at {python.path}, "
                f"packages with {self.installer.name}..."
            )
            with cache.making(recipe.key) as place:
                for command in self._commands(recipe, python, place):
                    await self._run(command, recipe.folder, lock)
        return place

    def _commands(self, recipe: Recipe, python: Interpreter, place: Path) -> list[list[str]]:
        venv = place / "venv"
        name, core = recipe.core
        (place / name).write_bytes(core)
        commands = [self.installer.create(python.path, venv)]
        limits = []
        if recipe.constraints_text:
            (place / "constraints.txt").write_text(recipe.constraints_text, "utf-8")
            limits = ["-c", str(place / "constraints.txt")]
        if recipe.requirements_text:
            (place / "requirements.txt").write_text(recipe.requirements_text, "utf-8")
            wanted = ["-r", str(place / "requirements.txt"), *limits]
            commands.append(self.installer.install(venv, wanted))
        # Separately and last, as in an image: if the requirements have hashes, pip would require one for it.
        commands.append(self.installer.install(venv, [str(place / name)]))
        return commands

    async def _run(self, command: Sequence[str], folder: Path, lock: int) -> None:
        self.terminal.debug(f"running {' '.join(command)}")
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=self.installer.environment(self.environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # Ctrl-C reaches only us, and we kill the whole group.
            start_new_session=True,
            pass_fds=(lock,),
        )
        assert process.stdout is not None
        try:
            async for line in process.stdout:
                self.progress.line(line.decode("utf-8", "replace"))
            code = await process.wait()
        finally:
            self.progress.end()
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        if code != 0:
            raise InstallerFailed(self.installer.name, code, self.progress.unseen)


async def ensure_environment(recipe: Recipe, mode: str, terminal: Terminal) -> str:
    """Return the interpreter of the recipe's environment, made if it does not exist. Raises UserError."""
    cache = EnvironmentCache(cache_folder(os.environ))
    place = cache.find(recipe.key)
    if place is None:
        uv = find_uv(os.environ)
        python = choose_interpreter(recipe.python_version, os.environ, uv)
        if not python.is_exactly(recipe.python_version):
            terminal.warning(
                f"build.python_version asks for Python {recipe.python_version}, "
                f"but this machine has {python.version}"
            )
        maker = Maker(Uv(uv) if uv else VenvAndPip(), os.environ, Progress(mode, terminal), terminal)
        try:
            place = await maker.make(cache, recipe, python)
        except OSError as error:
            raise UserError(
                f"failed to make an environment for the model: {error}",
                hint="set COG_CACHE_DIR to a folder that you can write to",
            ) from None
    terminal.debug(f"the model's environment is {place}")
    return str(python_of(place / "venv"))
