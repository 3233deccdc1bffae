"""`python -m coglet_cli.images.refresh`, for maintainers: adds new releases of torch to torch.json.

Existing rows are not changed, since models are built with them.
"""

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from packaging.version import Version

from coglet_cli.errors import UserError

DATA: Final = Path(__file__).with_name("torch.json")
_WHEEL: Final = re.compile(
    r">(?P<package>\w+)-(?P<version>\d+\.\d+\.\d+)(?:\+|%2B)(?P<build>cpu|cu\d+)"
    r"-cp3(?P<python>\d+)-cp3\d+-\w*linux\w*_x86_64\.whl<"
)
_TIMEOUT_S: Final = 60


@dataclass(frozen=True)
class Wheel:
    """One wheel of an index: a release for one CUDA (`cpu` for none) and one minor version of Python."""

    version: str
    build: str
    python: int


def wheels_of(page: str, package: str) -> list[Wheel]:
    """Return the wheels for Linux on amd64 that a page of the index lists."""
    return [
        Wheel(found["version"], found["build"], int(found["python"]))
        for found in _WHEEL.finditer(page)
        if found["package"] == package
    ]


def newer_rows(
    rows: Sequence[Mapping[str, Any]], torch: Iterable[Wheel], torchvision: Iterable[Wheel]
) -> list[dict[str, Any]]:
    """Return a row for each release of torch that is newer than those in `rows` and has a torchvision."""
    wheels = list(torch)
    latest = max(Version(version) for row in rows for version in row["torch"])
    versions = {wheel.version for wheel in wheels if Version(wheel.version) > latest}
    known = {wheel.version for wheel in torchvision}
    return [
        _row(version, [wheel for wheel in wheels if wheel.version == version])
        for version in sorted(versions, key=Version)
        if torchvision_of(version) in known
    ]


def _row(version: str, wheels: Sequence[Wheel]) -> dict[str, Any]:
    pythons = [wheel.python for wheel in wheels]
    cuda = {re.sub(r"cu(\d+)(\d)", r"\1.\2", wheel.build) for wheel in wheels} - {"cpu"}
    return {
        "torch": [version],
        "torchvision": [torchvision_of(version)],
        "cuda": sorted(cuda, key=Version),
        "python": [f"3.{min(pythons)}", f"3.{max(pythons)}"],
    }


def torchvision_of(torch: str) -> str:
    """Return the release of torchvision for one of torch; the rule holds since 2.1.0 and 0.16.0."""
    _, minor, patch = Version(torch).release
    return f"0.{minor + 15}.{patch}"


def written(data: Mapping[str, Any]) -> str:
    """Return the text of the file: one line for each row, so that a new row is one line of a diff."""
    rows = ",\n".join(f"    {json.dumps(row)}" for row in data["rows"])
    return f'{{\n  "wheels": {json.dumps(data["wheels"])},\n  "rows": [\n{rows}\n  ]\n}}\n'


def refresh(file: Path, environ: Mapping[str, str]) -> list[str]:
    """Add new releases to the file and return their versions. Raises UserError if the index fails."""
    scheme = environ.get("R8_SCHEME") or "https"
    host = environ.get("R8_PYTORCH_HOST") or "download.pytorch.org"
    data = json.loads(file.read_text("utf-8"))
    torch, torchvision = (
        wheels_of(_page(f"{scheme}://{host}/whl/{package}/"), package) for package in ("torch", "torchvision")
    )
    rows = newer_rows(data["rows"], torch, torchvision)
    file.write_text(written({**data, "rows": [*data["rows"], *rows]}), "utf-8")
    return [row["torch"][0] for row in rows]


def _page(url: str) -> str:
    try:
        return httpx.get(url, timeout=_TIMEOUT_S, follow_redirects=True).raise_for_status().text
    except httpx.HTTPError as error:
        raise UserError(f"failed to read {url}: {error}") from None


def main() -> int:
    """Refresh the file of this installation and print what was added. Return the exit code."""
    try:
        added = refresh(DATA, os.environ)
    except UserError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return error.exit_code
    print(f"torch {', '.join(added)} added to {DATA.name}" if added else f"{DATA.name} is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
