"""The inputs from which an environment is made."""

import hashlib
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from coglet_cli.python_env.requirements import STAGED_ARTIFACTS, Requirements
from coglet_cli.python_env.wheel import model_wheel, wheel_name

_STAGED: Final = f"/tmp/{STAGED_ARTIFACTS}/"
_KEY_LENGTH: Final = 20


@dataclass(frozen=True)
class Recipe:
    """A Python version, the model's requirements, and the worker's wheel of the running pycoglet."""

    folder: Path
    python_version: str
    requirements: Requirements

    @cached_property
    def key(self) -> str:
        """A hash that is equal for recipes of equal environments, whatever the project and its path."""
        digest = hashlib.sha256()
        for part in self._parts():
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()[:_KEY_LENGTH]

    @property
    def requirements_text(self) -> str:
        """The lines for the installer; packages in the project by their path on this machine."""
        place = f"{self.folder}/"
        return "".join(f"{line.replace(_STAGED, place, 1)}\n" for line in self.requirements.lines)

    @property
    def constraints_text(self) -> str:
        """Constraints on the versions of packages, required or not."""
        return "".join(f"{line}\n" for line in self.requirements.constraints)

    @cached_property
    def core(self) -> tuple[str, bytes]:
        """Name and content of the wheel with which the environment can run our worker."""
        return wheel_name(), model_wheel()

    def _parts(self) -> Iterator[bytes]:
        # Machines of different kinds can share a home folder.
        yield f"{sys.platform} {platform.machine()} {self.python_version}".encode()
        yield "\n".join(self.requirements.lines).encode()
        yield "\n".join(self.requirements.constraints).encode()
        for artifact in self.requirements.artifacts:
            yield (self.folder / artifact).read_bytes()
        yield self.core[1]
