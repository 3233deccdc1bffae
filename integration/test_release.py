"""The commands of the release workflow build what can be installed, and stop what cannot be released."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from testing.pages import ROOT

WORKFLOW: Final = ROOT / ".github" / "workflows" / "release.yml"
VERSION: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
# Of this step the tests have their own: the development environment.
PREPARED: Final = "Install the tools"
LIMIT_S: Final = 100

pytestmark = [pytest.mark.ours("docs/documentation.md"), pytest.mark.slow]


def steps() -> dict[str, str]:
    """The commands of the job, by the name of their step."""
    workflow: Any = yaml.safe_load(WORKFLOW.read_text())
    return {step["name"]: step["run"] for step in workflow["jobs"]["build"]["steps"] if "run" in step}


def run(name: str, folder: Path, tag: str = f"v{VERSION}") -> "subprocess.CompletedProcess[str]":
    """Run one step in `folder` with the shell's options that GitHub uses."""
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", steps()[name]],
        cwd=folder,
        env={**os.environ, "PATH": programs, "GITHUB_REF_NAME": tag, "UV_PYTHON_DOWNLOADS": "never"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the repository, as a workflow gets them."""
    folder = tmp_path_factory.mktemp("release")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def outputs(checkout: Path) -> dict[str, str]:
    """What each step prints, all in their order; they have built `dist/` then."""
    printed = {}
    for name in list(steps())[1:]:
        done = run(name, checkout)
        assert done.returncode == 0, f"{name}\n{done.stdout}"
        printed[name] = done.stdout
    return printed


def test_the_wheel_runs_where_nothing_else_is_installed(outputs: dict[str, str]) -> None:
    assert next(iter(steps())) == PREPARED
    assert list(outputs) == ["The tag is the version", "Build", "Check", "Install the wheel and run it"]
    assert f"cog version {VERSION} " in outputs["Install the wheel and run it"]


@pytest.mark.usefixtures("outputs")
def test_what_the_distributions_contain(checkout: Path) -> None:
    [wheel] = (checkout / "dist").glob("*.whl")
    packages = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    ours = "cog coglet coglet_cli coglet_protocol coglet_schema coglet_supervisor coglet_worker"
    assert {name for name in packages if not name.endswith(".dist-info")} == set(ours.split())
    data = {path.relative_to(checkout / "supervisor") for path in (checkout / "supervisor").rglob("page/*")}
    assert {str(path) for path in data} <= set(zipfile.ZipFile(wheel).namelist())
    assert any(path.suffix == ".js" for path in data)
    [source] = (checkout / "dist").glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "README.md", "mkdocs.yml", "docs/index.md"} <= names


def test_the_changelog_has_the_version() -> None:
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[:2] == ["Unreleased", VERSION]


def test_nothing_is_published_that_failed_a_test() -> None:
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    assert set(jobs["publish"]["needs"]) == {"build", "test"}


def test_a_tag_of_another_version_stops_it(checkout: Path) -> None:
    assert run("The tag is the version", checkout, "v99.0.0").returncode != 0


def test_a_description_that_the_index_would_refuse_stops_it(checkout: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(checkout, broken, ignore=shutil.ignore_patterns("dist", "build"))
    project = (broken / "pyproject.toml").read_text()
    (broken / "pyproject.toml").write_text(project.replace('readme = "README.md"', 'readme = "README.rst"'))
    (broken / "README.rst").write_text("Title\n==\n\n.. unknown::\n")
    assert run("Build", broken).returncode == 0
    assert "has syntax errors in markup" in run("Check", broken).stdout
