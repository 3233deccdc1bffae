"""Changes to a Python file at the places that its syntax tree names; all else stays as it was written."""

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
        """Puts `text` where `node` stands."""
        self._changes.append((*self._span(node), text.encode()))

    def replace_end(self, node: ast.Attribute, text: str) -> None:
        """Puts `text` in place of the last name of `a.b.c`."""
        end = self._span(node)[1]
        self._changes.append((end - len(node.attr.encode()), end, text.encode()))

    def rename_definition(self, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, to: str) -> None:
        """Gives a class or function another name where it is defined."""
        start, end = self._span(node)
        match = re.search(rb"\b" + node.name.encode() + rb"\b", self._source[start:end])
        assert match is not None  # a definition begins with its name
        self._changes.append((start + match.start(), start + match.end(), to.encode()))

    def remove_statement(self, node: ast.stmt) -> None:
        """Takes out the lines of a statement that has them for itself. Raises CannotFix when it has not."""
        start, end = self._span(node)
        first, last = self._starts[node.lineno - 1], self._starts[(node.end_lineno or node.lineno)]
        if self._source[first:start].strip() or self._source[end:last].split(b"#")[0].strip():
            raise CannotFix(f"line {node.lineno} holds more than one statement")
        self._changes.append((first, last, b""))

    def insert_line(self, before: int, text: str) -> None:
        """Puts a line before line `before`."""
        at = self._starts[before - 1]
        self._changes.append((at, at, text.encode() + b"\n"))

    def result(self) -> bytes:
        """The changed text. Raises CannotFix when it is no Python any more."""
        text = self._source
        for start, end, new in sorted(self._changes, reverse=True):
            text = text[:start] + new + text[end:]
        try:
            parse_python(text)
        except SyntaxError as error:
            raise CannotFix(f"the changed file would not be Python: {error.msg}") from None
        return text

    def _span(self, node: ast.expr | ast.stmt | ast.alias) -> tuple[int, int]:
        start = self._starts[node.lineno - 1] + node.col_offset
        end = self._starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        return start, end


def imports_from(tree: ast.Module, package: str) -> Iterator[ast.ImportFrom]:
    """Every `from package import ...`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == package and not node.level:
            yield node


def without_names(statement: ast.ImportFrom, names: set[str]) -> str | None:
    """The import without these names; None when nothing is left of it."""
    kept = [alias for alias in statement.names if alias.name not in names]
    if not kept:
        return None
    written = ", ".join(ast.unparse(alias) for alias in kept)
    return f"from {statement.module} import {written}"


def uses_of(tree: ast.Module, name: str) -> list[ast.Name]:
    """Where a name is read or set, other than by an import."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]
