"""The model's requirements in the form in which the image installs them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename

from coglet_cli.errors import UserError
from coglet_cli.formats.text_files import read_requirements_text
from coglet_cli.python_env.requirement_lines import (
    LineOption,
    RequirementLine,
    UnknownOption,
    logical_lines,
    parse_line,
    requirement_of,
)

STAGED_ARTIFACTS: Final = "local_package_artifacts"
_ARTIFACTS: Final = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_SOURCES: Final = ("--index-url", "--extra-index-url", "--find-links")


@dataclass(frozen=True)
class Requirements:
    """Lines for pip: file-level options, and requirements with their own options.

    `artifacts` are files of the project, staged under `local_package_artifacts`. `placed` are the packages
    whose lines name a package index.
    """

    lines: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    artifacts: tuple[PurePosixPath, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    placed: frozenset[str] = frozenset()

    def pin(self, package: str) -> str | None:
        """Return the version of `package` if it is pinned with `==` or by the URL of a wheel."""
        for line in self.lines:
            if pinned := _pinned(line, package):
                return pinned
        return None

    def names(self, package: str) -> bool:
        """Return True if `package` is required in any version."""
        return any(_name(line) == package or _wheel_version(line, package) for line in self.lines)

    def specifier(self, package: str) -> SpecifierSet:
        """Return the version specifier of `package` from lines and constraints together."""
        found = SpecifierSet()
        for line in (*self.lines, *self.constraints):
            requirement = requirement_of(line)
            if requirement and canonicalize_name(requirement.name) == package:
                found &= requirement.specifier
        return found

    def for_image(self, python: str, machine: str) -> "Requirements":
        """Return the requirements without lines whose environment markers are false in such an image.

        `python` is the image's version, `machine` its processor, such as `x86_64`.
        """
        return replace(
            self,
            lines=tuple(line for line in self.lines if _applies(line, python, machine)),
            constraints=tuple(line for line in self.constraints if _applies(line, python, machine)),
        )

    def text(self) -> str:
        """Return the text of the requirements file, options first."""
        packages = [line for line in self.lines if not line.startswith("-") or line.startswith("--editable")]
        options = dict.fromkeys(line for line in self.lines if line not in packages)
        # pip uses the last --index-url, which resets the indexes before it.
        index = [line for line in options if line.startswith("--index-url")][-1:]
        others = [line for line in options if not line.startswith("--index-url")]
        limits = ["-c /tmp/constraints.txt"] if self.constraints else []
        return "\n".join([*index, *others, *limits, *packages]) + "\n"


class _Reading:
    """Reads a requirements file and the files that it includes."""

    def __init__(self, folder: Path, sdk_source: str) -> None:
        self._folder = folder.resolve()
        self._sdk_source = sdk_source
        self._seen: set[Path] = set()
        self.lines: list[str] = []
        self.constraints: list[str] = []
        self.artifacts: list[PurePosixPath] = []
        self.warnings: list[str] = []
        self.placed: set[str] = set()

    def read_file(self, file: Path, *, as_constraints: bool = False) -> None:
        if file.resolve() in self._seen:
            return
        self._seen.add(file.resolve())
        self.read_lines(read_requirements_text(file), file.parent, as_constraints=as_constraints)

    def read_lines(self, text: str, folder: Path, *, as_constraints: bool = False) -> None:
        for line in logical_lines(text):
            try:
                parsed = parse_line(line)
            except UnknownOption:  # leave the decision to pip
                (self.constraints if as_constraints else self.lines).append(line)
                continue
            self._add_options(parsed, folder, as_constraints=as_constraints)
            if parsed.requirement:
                self._add(parsed, folder, as_constraints=as_constraints)

    def _add_options(self, line: RequirementLine, folder: Path, *, as_constraints: bool) -> None:
        """Add each option that applies to the whole file as a line of its own."""
        for option in line.options:
            if option.name in ("--requirement", "--constraint"):
                is_constraint = as_constraints or option.name == "--constraint"
                self._include(option, folder, as_constraints=is_constraint)
            elif option.name == "--editable":
                self._add_editable(option)
            elif not option.belongs_to_requirement:
                self._add_option(option, behind=line.requirement)

    def _include(self, option: LineOption, folder: Path, *, as_constraints: bool) -> None:
        name = option.value or ""
        if "://" in name:
            (self.constraints if as_constraints else self.lines).append(str(option))
        else:
            self.read_file(folder / name, as_constraints=as_constraints)

    def _add(self, parsed: RequirementLine, folder: Path, *, as_constraints: bool) -> None:
        own = [str(option) for option in parsed.options if option.belongs_to_requirement]
        line = " ".join([parsed.requirement, *own])
        if as_constraints:
            self.constraints.append(line)
        elif _name(line) in ("cog", "coglet"):
            self._leave_out_sdk(_name(line) or "")
        elif "file:" in line:
            raise UserError(f"local file URL requirements are not supported: {line}")
        elif artifact := _artifact_path(line):
            self._add_artifact(artifact, folder)
        else:
            self.lines.append(line)

    def _add_editable(self, option: LineOption) -> None:
        value = option.value or ""
        if value in (".", "./"):
            line = f"{option.spelling} {value}"
            self.warnings.append(f"{line!r} in requirements is ignored: the project is copied to /src")
        elif "://" not in value:
            raise UserError(
                f'local package requirement "{value}" is not a supported wheel or source archive',
                hint="build a wheel from it and list that file",
            )
        elif (name := _name(value)) in ("cog", "coglet"):
            self._leave_out_sdk(name)
        else:
            self.lines.append(str(option))

    def _add_option(self, option: LineOption, *, behind: str) -> None:
        if option.name == "--find-links" and "://" not in (option.value or ""):
            raise UserError(
                f'local requirements option "{option.spelling}" is not supported: '
                f"{option.spelling} {option.value}"
            )
        if behind and option.name in _SOURCES and (name := _name(behind)):
            self.placed.add(name)
        if behind and option.name == "--no-index":
            self.warnings.append(
                f"'--no-index' after {behind!r} is ignored: pip applies it to all packages or none"
            )
            return
        if behind and option.name == "--index-url":
            # It was meant for one package; the others still come from their own index.
            option = replace(option, name="--extra-index-url")
        self.lines.append(str(option))

    def _leave_out_sdk(self, name: str) -> None:
        variable = "COG_SDK_WHEEL" if name == "cog" else "COGLET_WHEEL"
        self.warnings.append(
            f"'{name}' found in requirements — overriding with {self._sdk_source}. "
            "Remove it from requirements and use "
            f"build.sdk_version in cog.yaml or {variable} to control the version."
        )

    def _add_artifact(self, name: str, folder: Path) -> None:
        file = (folder / name).resolve()
        if not file.is_relative_to(self._folder):
            raise UserError(f'local Python package artifact "{name}" must be inside the project directory')
        if not file.exists():
            raise UserError(f'local Python package artifact "{name}" not found')
        if not file.is_file():
            raise UserError(f'local Python package artifact "{name}" must be a regular file')
        path = PurePosixPath(file.relative_to(self._folder).as_posix())
        self.artifacts.append(path)
        self.lines.append(f"/tmp/{STAGED_ARTIFACTS}/{path}")


def read_requirements(
    folder: Path, file_name: str | None, packages: Sequence[str], sdk_source: str
) -> Requirements:
    """Return the requirements of a project: those of its file and the packages in cog.yaml.

    `sdk_source` says in warnings where the SDK comes from. Raises UserError if a file cannot be read, or a
    line is not supported.
    """
    reading = _Reading(folder, sdk_source)
    if file_name:
        reading.read_file(folder / file_name)
    reading.read_lines("\n".join(packages), folder)
    return Requirements(
        tuple(reading.lines),
        tuple(reading.constraints),
        tuple(reading.artifacts),
        tuple(reading.warnings),
        frozenset(reading.placed),
    )


def _name(line: str) -> str | None:
    """Return the canonical name of the package; for a bare URL the one in `#egg=`."""
    eggs = parse_qs(line.partition("#")[2]).get("egg", ())
    for text in (line, *eggs):
        if requirement := requirement_of(text):
            return canonicalize_name(requirement.name)
    return None


def _pinned(line: str, package: str) -> str | None:
    requirement = requirement_of(line)
    if requirement is None or requirement.url:
        return _wheel_version(line, package)
    if canonicalize_name(requirement.name) != package:
        return None
    pins = [each.version for each in requirement.specifier if each.operator in ("==", "===")]
    return next((version for version in pins if not version.endswith(".*")), None)


def _wheel_version(line: str, package: str) -> str | None:
    """Return the version in the URL of a wheel of `package`, None if the line is something else."""
    requirement = requirement_of(line)
    url = (requirement.url or "") if requirement else line.split()[0]
    if "://" not in url:
        return None
    try:
        name, version, *_ = parse_wheel_filename(unquote(urlsplit(url).path.rpartition("/")[2]))
    except ValueError:  # not the URL of a wheel
        return None
    return str(version) if name == package else None


def _applies(line: str, python: str, machine: str) -> bool:
    requirement = requirement_of(line)
    if requirement is None or requirement.marker is None:
        return True
    minor = ".".join(python.split(".")[:2])
    environment = {
        "extra": "",
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        # An image without a patch version in its name has the newest one.
        "python_full_version": python if python != minor else f"{minor}.99",
        "python_version": minor,
        "sys_platform": "linux",
    }
    # The kernel's version is that of the machine that runs the image.
    if "platform_release" in str(requirement.marker) or "platform_version" in str(requirement.marker):
        return True
    try:
        return requirement.marker.evaluate(environment)
    except (UndefinedComparison, UndefinedEnvironmentName):
        return True


def _artifact_path(line: str) -> str | None:
    """Return the path of a local package, None for other lines. Raises UserError for unsupported forms."""
    path = re.split(r"[\s;\[]", line, maxsplit=1)[0]
    requirement = requirement_of(line)
    url = requirement.url if requirement else None
    if url and "://" not in url and not url.startswith("git+"):
        raise UserError(
            "local direct reference requirements (`name @ path`) are not supported; "
            f"list the path directly instead: {line}"
        )
    if "://" in line or url:
        return None
    if not path.endswith(_ARTIFACTS):
        if path.startswith((".", "/")):
            raise UserError(f'local package requirement "{path}" is not a supported wheel or source archive')
        return None
    rest = line[len(path) :].strip()
    if rest.startswith("["):
        raise UserError(f"extras are not supported on local package artifact requirements: {line}")
    if rest.startswith(";"):
        raise UserError(
            f"environment markers are not supported on local package artifact requirements: {line}"
        )
    if rest:
        raise UserError(
            f"local package artifact requirements do not support inline options or hashes: {line}"
        )
    return path
