"""Edits of a Python file at nodes of its syntax tree; the rest of the text is kept unchanged."""

import ast
import re
from collections.abc import Iterator

from coglet_cli.doctor.finding import CannotFix
from coglet_cli.doctor.subject import parse_python


class Edits:
    """Collects changes to one source text."""

    def __init__(self, source: bytes) -> None:
        self._source = source
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._changes: list[tuple[int, int, bytes]] = []

    def replace(self, node: ast.expr | ast.stmt | ast.alias, text: str) -> None:
        """Replace `node` by `text`."""
        self._changes.append((*self._span(node), text.encode()))

    def replace_end(self, node: ast.Attribute, text: str) -> None:
        """Replace the last name of `a.b.c` by `text`."""
        end = self._span(node)[1]
        self._changes.append((end - len(node.attr.encode()), end, text.encode()))

    def rename_definition(self, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, to: str) -> None:
        """Rename a class or function in its definition."""
        start, end = self._span(node)
        match = re.search(rb"\b" + node.name.encode() + rb"\b", self._source[start:end])
        assert match is not None  # the span of a definition contains its name
        self._changes.append((start + match.start(), start + match.end(), to.encode()))

    def remove_statement(self, node: ast.stmt) -> None:
        """Remove the lines of a statement. Raises CannotFix if they contain another statement."""
        start, end = self._span(node)
        first, last = self._starts[node.lineno - 1], self._starts[(node.end_lineno or node.lineno)]
        if self._source[first:start].strip() or self._source[end:last].split(b"#")[0].strip():
            raise CannotFix(f"line {node.lineno} holds more than one statement")
        self._changes.append((first, last, b""))

    def insert_line(self, before: int, text: str) -> None:
        """Insert a line before line `before`, which counts from 1."""
        at = self._starts[before - 1]
        self._changes.append((at, at, text.encode() + b"\n"))

    def result(self) -> bytes:
        """Return the changed text. Raises CannotFix if it is no longer valid Python."""
        text = self._source
        for start, end, new in sorted(self._changes, reverse=True):
            text = text[:start] + new + text[end:]
        try:
            parse_python(text)
        except SyntaxError as error:
            raise CannotFix(f"the changed file would not be valid Python: {error.msg}") from None
        return text

    def _span(self, node: ast.expr | ast.stmt | ast.alias) -> tuple[int, int]:
        start = self._starts[node.lineno - 1] + node.col_offset
        end = self._starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        return start, end


def imports_from(tree: ast.Module, package: str) -> Iterator[ast.ImportFrom]:
    """Yield every `from package import ...`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == package and not node.level:
            yield node


def without_names(statement: ast.ImportFrom, names: set[str]) -> str | None:
    """Return the import without these names, None if no name remains."""
    kept = [alias for alias in statement.names if alias.name not in names]
    if not kept:
        return None
    written = ", ".join(ast.unparse(alias) for alias in kept)
    return f"from {statement.module} import {written}"


def uses_of(tree: ast.Module, name: str) -> list[ast.Name]:
    """Return the nodes that read or set a name, except imports."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]
