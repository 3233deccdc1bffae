"""The pages in docs/ document every variable and every flag of the server, and name only what exists."""

import ast
import re
from pathlib import Path

import pytest

from coglet_supervisor.command_line import parser

ROOT = Path(__file__).resolve().parents[1]
COMPONENTS = ("protocol", "schema", "sdk", "worker", "supervisor", "cli")
# A string in the source that is the name of a variable of ours, or of the platforms that we run on.
VARIABLE = re.compile(
    r'"((?:COG|COGLET|KUBERNETES|LOG|NO|OTEL|PYCOGLET|REPLICATE|RUST|WEBHOOK)_[A-Z0-9_]*[A-Z0-9]|PORT)"'
)
FLAG = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


SOURCES = {path: path.read_text() for component in COMPONENTS for path in (ROOT / component).rglob("*.py")}


def variables_in_source() -> set[str]:
    return {name for text in SOURCES.values() for name in VARIABLE.findall(text)}


def documented(pages: str) -> set[str]:
    """Return all inline code of the pages."""
    lines = [line for page in (ROOT / "docs").glob(pages) for line in page.read_text().splitlines()]
    return {code for line in lines for code in re.findall(r"`([^`]+)`", line)}


@pytest.mark.parametrize("name", sorted(variables_in_source()))
def test_every_variable_is_documented(name: str) -> None:
    assert name in documented("*.md")


def test_every_documented_variable_exists() -> None:
    shown = {name for name in documented("configuration.md") if VARIABLE.fullmatch(f'"{name}"')}
    assert shown <= variables_in_source()


def test_every_flag_of_the_server_is_documented() -> None:
    flags = set(FLAG.findall(parser("server").format_help()))
    assert flags >= {"-h", "--host", "--await-explicit-shutdown"}
    assert flags <= documented("configuration.md")


def test_the_classes_and_files_of_the_architecture_exist() -> None:
    classes = {name for text in SOURCES.values() for name in re.findall(r"^class (\w+)", text, re.MULTILINE)}
    named = documented("architecture.md")
    methods = {
        f"{node.name}.{part.name}"
        for text in SOURCES.values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef)
        for part in node.body
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name for name in named if re.fullmatch(r"([A-Z][a-z]+)+\.\w+", name)} <= methods
    assert {name for name in named if re.fullmatch(r"([A-Z][a-z]+)+", name)} <= classes
    for name in named:
        if name.endswith(".py"):
            assert any(str(path).endswith(f"/{name}") for path in [*SOURCES, *ROOT.glob("tests/*.py")]), name


# | question | `file` | `name` or `Class.method` |
ANSWERS = re.findall(
    r"^\| [^|]+ \| `([\w/]+\.py)` \| `([\w.]+)` \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE
)


def test_contributing_answers_24_questions() -> None:
    assert len(set(ANSWERS)) == 24


@pytest.mark.parametrize(("file", "name"), ANSWERS)
def test_where_is_what_names_code_in_a_folder_of_the_tree(file: str, name: str) -> None:
    body = ast.parse((ROOT / file).read_text()).body
    for part in name.split("."):
        [found] = [
            node
            for node in body
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == part
        ]
        body = found.body
    component, package, *folder, _ = file.split("/")
    tree = (ROOT / "docs" / "architecture.md").read_text().split("```")[1]
    _, _, section = tree.partition(f"{component}/{package}/")
    # The folders of a package are indented below it.
    below = re.split(r"\n(?=\w)", section, maxsplit=1)[0]
    assert section
    assert all(f"{part}/" in below for part in folder)
