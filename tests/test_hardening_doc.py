"""docs/hardening.md has every row of the specification, with tests that exist or a reason for none."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "hardening.md").read_text()
ROW = re.compile(r"^\| ([A-FRS]\d+) \| (.+?) \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")
EXCUSES = ("not yet", "cannot be tested here, because")


@cache
def functions_in(path: str) -> set[str]:
    body = ast.parse((ROOT / path).read_text()).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_no_row_is_missing() -> None:
    lengths = {"R": 28, "S": 24, "A": 6, "B": 8, "C": 6, "D": 6, "E": 3, "F": 5}
    expected = [f"{letter}{number + 1}" for letter, length in lengths.items() for number in range(length)]
    assert [row[0] for row in ROW.findall(PAGE)] == expected


@pytest.mark.parametrize(("name", "promise", "covered_by"), ROW.findall(PAGE))
def test_every_promise_is_covered_by_a_test_or_says_why_not(name: str, promise: str, covered_by: str) -> None:
    found = TEST.findall(covered_by)
    assert promise
    assert found or covered_by.startswith(EXCUSES), name
    for path, test in found:
        assert test in functions_in(path), f"{name}: {path} has no {test}"
