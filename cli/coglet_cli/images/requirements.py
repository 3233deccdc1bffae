"""The model's requirements file, as the image gets it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from coglet_cli.errors import UserError

STAGED_ARTIFACTS: Final = "local_package_artifacts"
_ARTIFACTS: Final = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_INCLUDES: Final = re.compile(r"(?:-r|--requirement|-c|--constraint)(?:\s+|=|(?<=-r)|(?<=-c))(\S+)")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PIN: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?\s*==\s*([0-9][^\s;,#]*)")


@dataclass(frozen=True)
class Requirements:
    """Lines for pip. `artifacts` are files of the project, staged under `local_package_artifacts`."""

    lines: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    artifacts: tuple[PurePosixPath, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    def pin(self, package: str) -> str | None:
        """The version of `package` when it is pinned with `==`."""
        for line in self.lines:
            match = _PIN.match(line)
            if match and match[1].lower() == package:
                return match[2]
        return None

    def names(self, package: str) -> bool:
        """True when `package` is required in any version."""
        return any(_name(line) == package for line in self.lines)

    def text(self) -> str:
        """The file, options first."""
        options = sorted({line for line in self.lines if line.startswith("-")})
        packages = [line for line in self.lines if not line.startswith("-")]
        limits = ["-c /tmp/constraints.txt"] if self.constraints else []
        return "\n".join([*options, *limits, *packages]) + "\n"


class _Reading:
    """Reads one requirements file and those that it includes."""

    def __init__(self, folder: Path, sdk_source: str) -> None:
        self._folder = folder.resolve()
        self._sdk_source = sdk_source
        self._seen: set[Path] = set()
        self.lines: list[str] = []
        self.constraints: list[str] = []
        self.artifacts: list[PurePosixPath] = []
        self.warnings: list[str] = []

    def read_file(self, file: Path, *, as_constraints: bool = False) -> None:
        if file.resolve() in self._seen:
            return
        self._seen.add(file.resolve())
        try:
            text = file.read_text("utf-8-sig")
        except OSError as error:
            raise UserError(f"failed to read {file}: {error.strerror}") from None
        self.read_lines(text, file.parent, as_constraints=as_constraints)

    def read_lines(self, text: str, folder: Path, *, as_constraints: bool = False) -> None:
        for line in logical_lines(text):
            include = _INCLUDES.fullmatch(line)
            if include:
                is_constraint = as_constraints or line.startswith(("-c", "--constraint"))
                self._include(line, include[1], folder, as_constraints=is_constraint)
            elif as_constraints:
                self.constraints.append(line)
            else:
                self._add(line, folder)

    def _include(self, line: str, name: str, folder: Path, *, as_constraints: bool) -> None:
        if "://" in name:
            (self.constraints if as_constraints else self.lines).append(line)
        else:
            self.read_file(folder / name, as_constraints=as_constraints)

    def _add(self, line: str, folder: Path) -> None:
        if line in ("-e .", "--editable ."):
            self.warnings.append(f"{line!r} found in requirements: left out, the project is copied to /src")
        elif line.startswith("-"):
            self._add_option(line)
        elif _name(line) in ("cog", "coglet"):
            self._leave_out_sdk(_name(line) or "")
        elif "file:" in line:
            raise UserError(f"local file URL requirements are not supported: {line}")
        elif artifact := _artifact_path(line):
            self._add_artifact(artifact, folder)
        else:
            self.lines.append(line)

    def _add_option(self, line: str) -> None:
        word, _, value = line.replace("=", " ", 1).partition(" ")
        if word in ("-f", "--find-links") and "://" not in value:
            raise UserError(f'local requirements option "{word}" is not supported: {line}')
        if word in ("-e", "--editable") and "://" not in value:
            raise UserError(
                f'local package requirement "{value.strip()}" is not a supported wheel or source archive',
                hint="build a wheel of it, and name the file",
            )
        self.lines.append(line)

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
    """The requirements of a project: its file, or the packages that cog.yaml lists. Raises UserError."""
    reading = _Reading(folder, sdk_source)
    if file_name:
        reading.read_file(folder / file_name)
    reading.read_lines("\n".join(packages), folder)
    return Requirements(
        tuple(reading.lines), tuple(reading.constraints), tuple(reading.artifacts), tuple(reading.warnings)
    )


def logical_lines(text: str) -> Iterator[str]:
    """The lines that say something: joined at backslashes, without comments."""
    joined = re.sub(r"\\\r?\n", " ", text)
    for line in joined.splitlines():
        # A `#` inside a word belongs to a URL: `#egg=`, `#sha256=`.
        stripped = re.sub(r"(^|\s+)#.*", "", line).strip()
        if stripped:
            yield stripped


def _name(line: str) -> str | None:
    match = _NAME.match(line)
    return None if match is None else re.sub(r"[-_.]+", "-", match[0]).lower()


def _artifact_path(line: str) -> str | None:
    """The path of a local package, or None for anything else. Raises UserError for what looks like one."""
    path = re.split(r"[\s;\[]", line, maxsplit=1)[0]
    reference = re.match(r"[A-Za-z0-9._-]+(?:\[[^]]*\])?\s*@\s*(\S+)", line)
    if reference and "://" not in reference[1] and not reference[1].startswith("git+"):
        raise UserError(
            "local direct reference requirements (`name @ path`) are not supported; "
            f"list the path directly instead: {line}"
        )
    if "://" in line or reference:
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
