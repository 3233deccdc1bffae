"""Makes the environment of a model, or finds the one that was made before."""

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
from coglet_cli.interrupts import run_interruptible
from coglet_cli.progress import Progress
from coglet_cli.python_env.cache import EnvironmentCache
from coglet_cli.python_env.installer import Installer, Uv, VenvAndPip, find_uv, python_of
from coglet_cli.python_env.interpreter import Interpreter, choose_interpreter
from coglet_cli.python_env.recipe import Recipe
from coglet_cli.terminal import Terminal

_LAST_LINES: Final = 20


class InstallerFailed(UserError):
    """uv or pip could not do it; what it said last is part of the message when nobody has seen it."""

    def __init__(self, name: str, code: int, unseen: Sequence[str]) -> None:
        told = "".join(f"\n  {line}" for line in unseen[-_LAST_LINES:])
        super().__init__(
            f"failed to install the model's packages: {name} ended with exit code {code}{told}",
            hint="check the requirements in cog.yaml and the package index (PIP_INDEX_URL, UV_INDEX_URL); "
            "--python runs the model in an environment of your own",
        )


@dataclass(frozen=True)
class Maker:
    """Who makes environments, and what a person sees of it."""

    installer: Installer
    environ: Mapping[str, str]
    progress: Progress
    terminal: Terminal

    async def make(self, cache: EnvironmentCache, recipe: Recipe, python: Interpreter) -> Path:
        """The environment of the recipe; made by whoever gets the lock first. Raises InstallerFailed."""

        def tell_wait() -> None:
            self.terminal.info("Waiting for another cog, which makes the same environment...")

        async with cache.lock(recipe.key, tell_wait) as lock:
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
        # On its own and last, as in an image: pip would ask for its hash too when the others have theirs.
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
            # Ctrl-C reaches us alone, and we end the whole group.
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


def ensure_environment(recipe: Recipe, mode: str, terminal: Terminal) -> str:
    """The interpreter of the recipe's environment, which is made when it is not there. Raises UserError."""
    cache = EnvironmentCache(cache_folder(os.environ))
    place = cache.find(recipe.key)
    if place is None:
        uv = find_uv(os.environ)
        python = choose_interpreter(recipe.python_version, os.environ, uv)
        if not python.is_exactly(recipe.python_version):
            terminal.warning(
                f"build.python_version asks for Python {recipe.python_version}, "
                f"and this machine has {python.version}"
            )
        maker = Maker(Uv(uv) if uv else VenvAndPip(), os.environ, Progress(mode, terminal), terminal)
        try:
            place = run_interruptible(lambda _: maker.make(cache, recipe, python))
        except OSError as error:
            raise UserError(
                f"failed to make an environment for the model: {error}",
                hint="COG_CACHE_DIR names another folder for it",
            ) from None
    terminal.debug(f"the model's environment is {place}")
    return str(python_of(place / "venv"))
