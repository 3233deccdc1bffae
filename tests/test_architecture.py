"""The rules of docs/architecture.md that a test can check: imports between modules, and length of files."""

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
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
FOLDER_TABLE = re.compile(r"\| in `(coglet_\w+)` \| may import \|\n\|[-|]+\n((?:\|.*\n)+)")
ANYTHING = "all"


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


def modules(root: Path) -> dict[str, Path]:
    """Return the modules below a folder of sources, by their dotted names."""
    return {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(root.rglob("*.py"))
    }


def imported_modules(path: Path, known: dict[str, Path]) -> set[str]:
    """Return the known modules that a file imports: at the top, inside functions, and for type checking."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            members = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {member if member in known else node.module for member in members}
    return {name for name in found & known.keys() if known[name] != path}


@pytest.mark.parametrize("root", sorted(set(COMPONENTS.values())), ids=lambda root: root.name)
def test_no_component_has_an_import_circle(root: Path) -> None:
    known = modules(root)
    imports = {name: imported_modules(path, known) for name, path in known.items()}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(f"import circle: {' <- '.join(error.args[1])}", pytrace=False)


def folder_rules(package: str) -> dict[str, set[str]]:
    """Return what docs/architecture.md allows each folder, and each entry point at the root, to import."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    [rows] = [rows for name, rows in FOLDER_TABLE.findall(page) if name == package]
    rules: dict[str, set[str]] = {}
    for row in rows.splitlines():
        _, importers, allowed, _ = row.split("|")
        targets = {ANYTHING} if allowed.strip() == ANYTHING else set(re.findall(r"`(\w+)`", allowed))
        rules |= dict.fromkeys(re.findall(r"`(\w+)`", importers), targets)
    return rules


def place(module: str) -> str:
    """Return the folder of a module; a module at the root is a place of its own."""
    return (module.split(".")[1:] or ["__init__"])[0]


@pytest.mark.parametrize("package", ["coglet_supervisor", "coglet_cli"])
def test_folders_import_what_the_architecture_says(package: str) -> None:
    rules, known = folder_rules(package), modules(COMPONENTS[package])
    folders = {place(name) for name in known if name.count(".") > 1}
    assert folders <= rules.keys(), "docs/architecture.md has a row for every folder"
    assert rules.keys() <= {place(name) for name in known}, "docs/architecture.md has no other rows"
    for importer, path in known.items():
        allowed = {place(importer), *rules.get(place(importer), ())}
        for imported in imported_modules(path, known):
            # Without a row: a module at the root that is for everybody.
            may = place(imported) not in rules or place(imported) in allowed or ANYTHING in allowed
            assert may, f"{importer} imports {imported}; see the tables in docs/architecture.md"


@pytest.mark.parametrize("package", ["coglet_supervisor", "coglet_cli"])
def test_the_folders_of_the_architecture_have_an_order(package: str) -> None:
    arrows = {name: allowed - {ANYTHING} for name, allowed in folder_rules(package).items()}
    TopologicalSorter(arrows).prepare()


@pytest.mark.parametrize("path", source_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_readable(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= MAX_LINES, f"{path.relative_to(ROOT)} has {lines} lines; split it by owner of state"
