"""The rules of docs/architecture.md that a machine can hold: who imports whom, and how long a file may be."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
COMPONENTS = {
    "coglet_protocol": ROOT / "protocol",
    "coglet_schema": ROOT / "schema",
    "cog": ROOT / "sdk",
    "coglet": ROOT / "sdk",
    "coglet_worker": ROOT / "worker",
    "coglet_supervisor": ROOT / "supervisor",
    "coglet_cli": ROOT / "cli",
}
MAY_IMPORT = {
    "coglet_protocol": {"coglet_protocol"},
    "coglet_schema": {"coglet_schema"},
    "cog": {"cog", "coglet"},
    "coglet": {"cog", "coglet"},
    "coglet_worker": {"coglet_worker", "coglet_protocol", "cog", "coglet"},
    "coglet_supervisor": {"coglet_supervisor", "coglet_protocol", "coglet_schema"},
    "coglet_cli": {"coglet_cli", "coglet_schema"},
}
# `coglet.server.serve(...)` is the one bridge from the model's side to the server's.
BRIDGES = {("sdk/coglet/server.py", "coglet_supervisor"), ("sdk/coglet/server.py", "coglet_worker")}
MAX_LINES = 400


def source_files() -> list[Path]:
    return sorted(
        path
        for folder in (
            "protocol",
            "schema",
            "sdk",
            "worker",
            "supervisor",
            "cli",
            "testing",
            "tests",
            "integration",
            "bench",
        )
        for path in (ROOT / folder).rglob("*.py")
        if "corpus" not in path.parts
    )


def imported_packages(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", COMPONENTS)
def test_imports_point_one_way(package: str) -> None:
    for path in sorted((COMPONENTS[package] / package).rglob("*.py")):
        relative = str(path.relative_to(ROOT))
        for name in imported_packages(path.read_text()):
            if name in COMPONENTS and (relative, name) not in BRIDGES:
                assert name in MAY_IMPORT[package], f"{relative} imports {name}"


@pytest.mark.parametrize("path", source_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_readable(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= MAX_LINES, f"{path.relative_to(ROOT)} has {lines} lines; split it by owner of state"
