"""requirements-dev.txt pins everything that pyproject.toml requires, and names no package index."""

from collections.abc import Iterator
from pathlib import Path

import tomllib
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]


def pins() -> dict[str, Version]:
    lines = (ROOT / "requirements-dev.txt").read_text().splitlines()
    pinned = [line.split(" ;")[0].split("==") for line in lines if not line.lstrip().startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pinned}


def declared() -> Iterator[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for group in (project["dependencies"], *project["optional-dependencies"].values()):
        for text in group:
            requirement = Requirement(text)
            if requirement.name != project["name"]:
                yield requirement


def test_the_lock_holds_what_the_project_declares() -> None:
    versions = pins()
    for requirement in declared():
        name = canonicalize_name(requirement.name)
        assert name in versions, f"{name} is not pinned; CONTRIBUTING.md says how to make the lock again"
        assert versions[name] in requirement.specifier, f"{name} is pinned below {requirement}"


def test_the_lock_names_no_registry() -> None:
    lock = (ROOT / "requirements-dev.txt").read_text()
    assert "://" not in lock
    assert "-index" not in lock
