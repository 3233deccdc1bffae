"""`python -m coglet_cli.images.refresh`, for maintainers: newer releases of torch into torch.json.

The rows that are there stay: models are built by them.
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
    """One wheel of an index: a release for one CUDA (`cpu` without) and one Python, by its minor version."""

    version: str
    build: str
    python: int


def wheels_of(page: str, package: str) -> list[Wheel]:
    """The wheels for Linux on amd64 that a page of the index names."""
    return [
        Wheel(found["version"], found["build"], int(found["python"]))
        for found in _WHEEL.finditer(page)
        if found["package"] == package
    ]


def newer_rows(
    rows: Sequence[Mapping[str, Any]], torch: Iterable[Wheel], torchvision: Iterable[Wheel]
) -> list[dict[str, Any]]:
    """A row for each release of torch that is newer than those of `rows` and has a torchvision."""
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
    """The release that belongs to one of torch: so it has been since 2.1.0, with 0.16.0."""
    _, minor, patch = Version(torch).release
    return f"0.{minor + 15}.{patch}"


def written(data: Mapping[str, Any]) -> str:
    """The text of the file: a line for each row, so that a change is a line of a diff."""
    rows = ",\n".join(f"    {json.dumps(row)}" for row in data["rows"])
    return f'{{\n  "wheels": {json.dumps(data["wheels"])},\n  "rows": [\n{rows}\n  ]\n}}\n'


def refresh(file: Path, environ: Mapping[str, str]) -> list[str]:
    """Adds what is new to the file, and gives the releases. Raises UserError."""
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
    """Refreshes the file of this installation; says what was added."""
    try:
        added = refresh(DATA, os.environ)
    except UserError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return error.exit_code
    print(f"torch {', '.join(added)} added to {DATA.name}" if added else f"{DATA.name} knows all releases")
    return 0


if __name__ == "__main__":
    sys.exit(main())
