"""Selection of the torch release and its package index; the data is in `torch.json`."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from coglet_cli.config import Build
from coglet_cli.python_env.requirement_lines import parse_line, requirement_of
from coglet_cli.python_env.requirements import Requirements

_PARTIAL_PARTS: Final = 3
_TORCH_INDEX: Final = re.compile(
    r"/whl/(?:(?:nightly|test)/)?(?:cu(\d+)(\d)|cpu|torch_stable\.html)(?=/|$|\s)"
)
# Since this release, torchaudio has the version number of its torch.
_TORCHAUDIO_FROM: Final = Version("2.0.1")


@dataclass(frozen=True)
class Torch:
    """A release. `cuda` are the versions that it has wheels for; empty for an unknown release.

    `chosen_for` is the author's requirement if it matches several releases and we chose one.
    """

    version: str
    cuda: tuple[str, ...] = ()
    torchvision: str | None = None
    chosen_for: str | None = None
    is_newer: bool = False

    @property
    def note(self) -> str | None:
        """A message about the release that we chose, None if the author pinned it."""
        if self.chosen_for is None:
            return None
        return (
            f"{self.chosen_for!r} in requirements matches several releases: using torch {self.version}, the "
            f"newest known one that fits; write torch=={self.version} to pin it"
        )


@cache
def _facts() -> Any:
    return json.loads(resources.files("coglet_cli.images").joinpath("torch.json").read_text("utf-8"))


def _rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _facts()["rows"]
    return rows


@dataclass(frozen=True)
class _Release:
    version: str
    row: dict[str, Any]

    @property
    def torchvision(self) -> str:
        return str(self.row["torchvision"][self.row["torch"].index(self.version)])

    @property
    def torch(self) -> Torch:
        return Torch(self.version, tuple(self.row["cuda"]), self.torchvision)


@cache
def _releases() -> tuple[_Release, ...]:
    """Return all known releases, newest first."""
    found = [_Release(version, row) for row in _rows() for version in row["torch"]]
    return tuple(sorted(found, key=lambda release: Version(release.version), reverse=True))


def choose_torch(build: Build, requirements: Requirements) -> Torch | None:
    """Return the torch of a model; None if it has none, or no known release matches its requirement."""
    pin = requirements.pin("torch")
    if pin is not None and not (build.gpu and _is_partial(pin)):
        return _pinned(pin)
    line = next((line for line in requirements.lines if _is_for(line, "torch")), None)
    if line is None:
        return None
    specifier = SpecifierSet(f"=={pin}.*") if pin else requirements.specifier("torch")
    fitting = [release for release in _releases() if release.version in specifier]
    if not fitting:
        return None
    cuda = build.cuda or index_cuda(requirements)
    # A condition that no release meets is dropped: pip will report the conflict.
    fitting = [each for each in fitting if _knows_python(each, build.python_version)] or fitting
    fitting = [each for each in fitting if _goes_with(each, requirements)] or fitting
    fitting = [each for each in fitting if _runs_on(each, cuda)] or fitting
    return replace(fitting[0].torch, chosen_for=parse_line(line).requirement)


def _pinned(pin: str) -> Torch:
    try:
        wanted = Version(pin.partition("+")[0])
    except InvalidVersion:
        return Torch(pin)
    for release in _releases():
        if Version(release.version) == wanted:
            return replace(release.torch, version=pin)
    return Torch(pin, is_newer=wanted > Version(_releases()[0].version))


def newest_cuda() -> str:
    """Return the newest CUDA version of the newest known release."""
    return str(max(_releases()[0].row["cuda"], key=Version))


def knows_torch(torch: str, python: str, cuda: str | None) -> bool:
    """Return True if this torch release exists for that Python and that CUDA (None for CPU)."""
    return any(
        release.version == torch
        and _knows_python(release, python)
        and (cuda is None or cuda in release.row["cuda"])
        for release in _releases()
    )


def index_cuda(requirements: Requirements) -> str | None:
    """Return the CUDA version of the author's own package index, None if there is no such index."""
    for line in requirements.lines:
        match = _TORCH_INDEX.search(line) if line.startswith("-") else None
        if match and match[1]:
            return f"{match[1]}.{match[2]}"
    return None


def torch_lines(requirements: Requirements, torch: Torch | None, cuda: str | None) -> tuple[str, ...]:
    """Return the lines with torch and torchvision from the index for `cuda`, or for the CPU if it is None.

    Lines with the author's own index, or with hashes, are unchanged; for the CPU so is each version.
    """
    if any(line.startswith("-") and _TORCH_INDEX.search(line) for line in requirements.lines):
        return requirements.lines
    found: list[str] = []
    for line in requirements.lines:
        found += _lines_of(line, torch, cuda, requirements.placed)
    return tuple(dict.fromkeys(found))


def _lines_of(line: str, torch: Torch | None, cuda: str | None, placed: frozenset[str]) -> Iterator[str]:
    requirement = requirement_of(line)
    name = canonicalize_name(requirement.name) if requirement else ""
    is_plain = requirement is not None and not requirement.url and "--hash" not in line
    if requirement is None or name not in ("torch", "torchvision") or name in placed or not is_plain:
        yield line
        return
    version, wheels = _version_and_wheels(name, requirement, torch, cuda)
    if version is None or wheels is None:
        yield line
        return
    yield f"--extra-index-url {_facts()['wheels'].format(wheels)}"
    requirement.specifier = SpecifierSet(version)
    yield str(requirement)


def _version_and_wheels(
    name: str, requirement: Requirement, torch: Torch | None, cuda: str | None
) -> tuple[str | None, str | None]:
    """Return the specifier after the name, and the folder of wheels; None to leave the line unchanged."""
    pins = [each.version for each in requirement.specifier if each.operator == "=="]
    if not pins or pins[0].endswith(".*"):
        if name != "torch" or cuda is None or torch is None or torch.chosen_for is None:
            return None, None
        # An upper limit, not a pin: other packages may require an older release.
        limits = ",".join(sorted([*map(str, requirement.specifier), f"<={torch.version}"], reverse=True))
        return limits, _wheels(torch.cuda, cuda)
    pin = pins[0].partition("+")[0]
    if cuda is None or not _is_partial(pin):
        known = [release for release in _releases() if _same(_of(release, name), pin)]
        return f"=={pin}", _wheels(known[0].row["cuda"], cuda) if known else None
    known = [release for release in _releases() if f"{_of(release, name)}.".startswith(f"{pin}.")]
    ours = [release for release in known if torch and _same(release.version, torch.version.partition("+")[0])]
    release = next(iter((*ours, *known)), None)
    if release is None:
        return None, None
    return f"=={_of(release, name)}", _wheels(release.row["cuda"], cuda)


def _of(release: _Release, name: str) -> str:
    return release.version if name == "torch" else release.torchvision


def _wheels(available: Sequence[str], cuda: str | None) -> str | None:
    if cuda is None:
        return "cpu"
    fitting = [version for version in available if Version(version) <= Version(cuda)]
    return f"cu{max(fitting, key=Version).replace('.', '')}" if fitting else None


def _is_partial(version: str) -> bool:
    return "+" not in version and version.count(".") + 1 < _PARTIAL_PARTS


def _same(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return False


def _is_for(line: str, package: str) -> bool:
    requirement = requirement_of(line)
    return requirement is not None and not requirement.url and canonicalize_name(requirement.name) == package


def _knows_python(release: _Release, python: str) -> bool:
    first, last = release.row["python"]
    minor = Version(".".join(python.split(".")[:2]))
    return Version(first) <= minor <= Version(last)


def _goes_with(release: _Release, requirements: Requirements) -> bool:
    """Return True if the required torchvision and torchaudio are those of this release."""
    if release.torchvision not in _loose(requirements, "torchvision"):
        return False
    return Version(release.version) < _TORCHAUDIO_FROM or release.version in _loose(
        requirements, "torchaudio"
    )


def _loose(requirements: Requirements, package: str) -> SpecifierSet:
    """Return the specifier of a package; a partial pin matches all its patch releases."""
    pin = requirements.pin(package)
    return SpecifierSet(f"=={pin}.*") if pin and _is_partial(pin) else requirements.specifier(package)


def _runs_on(release: _Release, cuda: str | None) -> bool:
    return cuda is None or ".".join(cuda.split(".")[:2]) in release.row["cuda"]
