"""Builds with BuildKit through the docker client: the Python SDK supports only the classic builder."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from coglet_cli.engine.build_options import BuildOptions
from coglet_cli.engine.context import Context
from coglet_cli.engine.errors import BuildFailed
from coglet_cli.progress import Progress

# From this release on, the client needs the buildx plugin to build with BuildKit.
_NEEDS_PLUGIN_FROM: Final = 23
_PROBE_TIMEOUT_S: Final = 20


@dataclass(frozen=True)
class BuildKit:
    """A docker client that can build with BuildKit."""

    executable: str

    @classmethod
    def find(cls) -> "BuildKit | None":
        """Return the client on PATH, None if there is none or it cannot use BuildKit."""
        executable = shutil.which("docker")
        if executable is None or not _can_build(executable):
            return None
        return cls(executable)

    def build(
        self,
        context: Context,
        tag: str,
        progress: Progress,
        options: BuildOptions,
        mounts: Sequence[str],
    ) -> None:
        """Build an image; `mounts` are arguments such as `--secret id=x`. Raises BuildFailed."""
        command = [self.executable, "build", "--tag", tag, "--progress", "plain", *mounts]
        command += ["--platform", options.platform, *(["--no-cache"] if options.no_cache else [])]
        for name, value in options.arguments.items():
            command += ["--build-arg", f"{name}={value}"]
        with tempfile.TemporaryFile() as archive:
            context.write(archive)
            archive.seek(0)
            process = subprocess.Popen(
                [*command, "-"],
                stdin=archive,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={**os.environ, "DOCKER_BUILDKIT": "1"},
            )
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    progress.line(line)
                if process.wait() != 0:
                    raise BuildFailed(
                        f"docker build ended with exit code {process.returncode}", progress.unseen
                    )
            finally:
                progress.end()
                process.terminate()
                process.wait()


def _can_build(executable: str) -> bool:
    if _run(executable, "buildx", "version") is not None:
        return True
    version = _run(executable, "version", "--format", "{{json .Client.Version}}")
    return version is not None and int(json.loads(version).split(".")[0]) < _NEEDS_PLUGIN_FROM


def _run(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
