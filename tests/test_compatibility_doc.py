"""docs/compatibility.md names tests that exist, and says of each whether the peer passes it as well."""

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "compatibility.md"
TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")
NOT_YET = "not yet"


@dataclass(frozen=True)
class Row:
    """One behavior."""

    text: str
    peer: str
    covered_by: str

    @property
    def tests(self) -> list[tuple[str, str]]:
        return TEST.findall(self.covered_by)


def rows() -> list[Row]:
    lines = PAGE.read_text().partition("\n## ")[2].splitlines()
    cells = [
        [cell.strip() for cell in line.strip("|").split(" |")] for line in lines if line.startswith("| ")
    ]
    return [Row(*row) for row in cells if row[0] != "behavior"]


@cache
def functions(path: str) -> dict[str, bool]:
    """The tests of a file, and whether each is marked as ours alone, or its whole file is."""
    body = ast.parse((ROOT / path).read_text()).body
    all_ours = any(re.match(r"pytestmark = \[?pytest\.mark\.ours", ast.unparse(node)) for node in body)
    return {
        node.name: all_ours
        or any("mark.ours" in ast.unparse(mark).split("(")[0] for mark in node.decorator_list)
        for node in body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_there_are_rows_of_every_section() -> None:
    headings = re.findall(r"^## (\d+)", PAGE.read_text(), re.MULTILINE)
    assert {int(number) for number in headings} == set(range(1, 17))
    assert len(rows()) > 200


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.text)
def test_every_row_names_tests_that_exist_or_says_not_yet(row: Row) -> None:
    assert row.tests or (row.covered_by, row.peer) == (NOT_YET, "")
    for path, name in row.tests:
        assert name in functions(path), f"{path} has no {name}"


@pytest.mark.parametrize("row", [row for row in rows() if row.tests], ids=lambda row: row.text)
def test_every_row_says_same_or_ours_as_its_tests_do(row: Row) -> None:
    for path, name in row.tests:
        is_black_box = path.startswith("integration/test_")
        expected = ("ours" if functions(path)[name] else "same") if is_black_box else "–"
        assert row.peer == expected, f"{path}::{name}"
