"""pyproject.toml declares exactly the packages that the components import."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import tomllib
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
# The component whose work the packages of an extra do; "core" stands for the dependencies without an extra.
COMPONENTS = {
    "core": ROOT / "protocol" / "coglet_protocol",
    "schema": ROOT / "schema" / "coglet_schema",
    "server": ROOT / "supervisor" / "coglet_supervisor",
    "otel": ROOT / "supervisor" / "coglet_supervisor" / "tracing",
    "cli": ROOT / "cli" / "coglet_cli",
}
# Of the model's side, which has the core alone.
MODEL_SIDE = [ROOT / "sdk" / "cog", ROOT / "sdk" / "coglet", ROOT / "worker" / "coglet_worker"]
TESTS = [ROOT / name for name in ("testing", "tests", "integration", "bench", "documentation")]
OURS = {"cog", "coglet", "testing", "tests", "integration", "bench", "documentation"}

# Of a module that several packages share, the package of each part.
PARTS = {
    "opentelemetry": "opentelemetry-api",
    "opentelemetry.exporter.otlp.proto.http": "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry.proto": "opentelemetry-proto",
    "opentelemetry.sdk": "opentelemetry-sdk",
}

IMPORTED_BY_A_PACKAGE = {"sniffio": "httpcore looks for it at each request, see pyproject.toml"}
WITHOUT_DECLARATION = {
    "_typeshed": "exists for type checkers only",
    "annotationlib": "of the standard library since Python 3.14",
    "typing_extensions": "looked for among the model's packages",
    "replicate": "of the environment that scripts/test makes for the official client",
    "pip": "of the virtual environment; tests compare our requirements with it",
}


@cache
def declared(extra: str) -> frozenset[str]:
    """Return the packages that the extra itself names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    texts = project["dependencies"] if extra == "core" else project["optional-dependencies"][extra]
    names = {Requirement(text).name for text in texts}
    return frozenset(canonicalize_name(name) for name in names - {project["name"]})


def imported_modules(folder: Path) -> Iterator[str]:
    """Return each module that the files in `folder` import, but not those of another component's folder."""
    inner = [other for other in COMPONENTS.values() if other != folder and other.is_relative_to(folder)]
    for path in folder.rglob("*.py"):
        if {"corpus", "models"} & set(path.parts) or {*path.parents} & {*inner}:
            continue  # sources that tests read, and models
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module


def imported_packages(folder: Path) -> set[str]:
    """Return the distributions that files in `folder` import."""
    ours_or_known = {*sys.stdlib_module_names, *OURS, *WITHOUT_DECLARATION}
    homes = packages_distributions()
    found = set()
    for module in imported_modules(folder):
        name = module.partition(".")[0]
        if name.startswith("coglet_") or name in ours_or_known:
            continue
        if name in PARTS:
            found.add(PARTS[max((part for part in PARTS if f"{module}.".startswith(f"{part}.")), key=len)])
        else:
            found |= {canonicalize_name(home) for home in homes[name]}
    return found


@pytest.mark.parametrize("extra", COMPONENTS)
def test_each_package_is_imported_by_the_component_whose_extra_names_it(extra: str) -> None:
    assert declared(extra) - imported_packages(COMPONENTS[extra]) <= IMPORTED_BY_A_PACKAGE.keys()


@pytest.mark.parametrize("extra", COMPONENTS)
def test_each_import_of_a_component_is_declared(extra: str) -> None:
    assert imported_packages(COMPONENTS[extra]) <= declared(extra) | declared("core")


@pytest.mark.parametrize("folder", MODEL_SIDE, ids=lambda folder: folder.name)
def test_the_side_of_the_model_imports_the_core_alone(folder: Path) -> None:
    assert imported_packages(folder) <= declared("core")


@pytest.mark.parametrize("folder", TESTS, ids=lambda folder: folder.name)
def test_each_import_of_the_tests_is_declared(folder: Path) -> None:
    extras = [*COMPONENTS, "dev"]
    assert imported_packages(folder) <= frozenset().union(*(declared(extra) for extra in extras))
