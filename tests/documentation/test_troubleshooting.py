"""Every text in docs/troubleshooting.md is one that the product prints: it is in the sources."""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest
from testing.pages import DOCS, ROOT

COMPONENTS = ("schema", "sdk", "worker", "supervisor", "cli")
CELL = re.compile(r"^\|(?: \d+ \|)? `([^`]+)` \|", re.MULTILINE)
TEXTS = CELL.findall((DOCS / "troubleshooting.md").read_text())
PLACEHOLDER = re.compile(r"%[-.\d]*[sdgfr]|\{[^{}]*\}|`[^`]*`")


def template(node: ast.AST) -> Iterator[str]:
    """Yield the text of a string in the source, with `...` for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
        text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
        yield PLACEHOLDER.sub("...", text)
    elif isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "..." for part in node.values]
        yield PLACEHOLDER.sub("...", "".join(map(str, parts)))


@cache
def templates() -> str:
    files = [file for component in COMPONENTS for file in (ROOT / component).rglob("*.py")]
    trees = [ast.parse(file.read_text()) for file in files]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    docstrings = {node.value for node in nodes if isinstance(node, ast.Expr)}
    return "\n".join({text for node in nodes if node not in docstrings for text in template(node)})


def test_the_page_has_texts_of_each_kind() -> None:
    assert len(TEXTS) > 35
    assert len(set(TEXTS)) == len(TEXTS)


@pytest.mark.parametrize("text", TEXTS)
def test_the_product_prints_it(text: str) -> None:
    # Quotes around a value that is filled in by its `repr` are not in the source.
    assert text.strip(". ") in templates() or text.replace("'...'", "...") in templates()


def test_a_text_that_the_product_does_not_print_is_found() -> None:
    assert "the model is too large for ... processors" not in templates()
