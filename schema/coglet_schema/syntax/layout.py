"""Finds and describes source that is not valid Python.

tree-sitter marks what it cannot parse, but it also accepts wrong indentation, empty bodies, statements that
end in the middle at a line end, and Python 2's `print`. Without these checks, the author would see such an
error only in the container.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from coglet_schema.errors import SchemaError
from coglet_schema.syntax.reader import children
from coglet_schema.syntax.source import Source, syntax_error

if TYPE_CHECKING:
    from tree_sitter import Node

# CPython's own limit (MAXLEVEL in its tokenizer).
MAX_NESTING: Final = 200

# Comments, strings and continued lines are matched to be skipped; a quote that matches alone opens an
# unterminated string.
_TOKENS: Final = re.compile(
    rb"#[^\n]*"
    rb'|"{3}(?:[^\\]|\\.)*?"{3}' + rb"|'{3}(?:[^\\]|\\.)*?'{3}"
    rb'|"(?:[^"\\\n]|\\.)*"' + rb"|'(?:[^'\\\n]|\\.)*'"
    rb"|\\\n"
    rb"|(?P<mark>[\"'()\[\]{}:\n])",
    re.DOTALL,
)
_CLOSING: Final = {b"(": b")", b"[": b"]", b"{": b"}"}
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"()[]{}"))
_QUOTES: Final = frozenset({b'"', b"'"})
_HEADER: Final = re.compile(
    rb"[ \t]*(?:async[ \t]+)?(?:class|def|if|elif|else|for|while|with|try|except|finally)\b"
)

_CLAUSES: Final = frozenset({"elif_clause", "else_clause", "except_clause", "finally_clause", "case_clause"})
_COMPOUND: Final = frozenset(
    {
        "class_definition", "decorated_definition", "for_statement", "function_definition", "if_statement",
        "match_statement", "try_statement", "while_statement", "with_statement",
    }
)  # fmt: skip
_PYTHON_2: Final = {"print_statement": "print", "exec_statement": "exec"}


def check_nesting(source: Source) -> None:
    """Raise SchemaError for nesting that Python rejects; code that recurses over expressions relies on it."""
    if not _nests_at_first_sight(source.text):
        return
    depth = 0
    for offset, mark in _marks(source.text):
        depth = max(depth + _step(mark), 0)
        if depth > MAX_NESTING:
            raise syntax_error(source, offset, "too many nested parentheses")


def _nests_at_first_sight(text: bytes) -> bool:
    """Return whether the brackets nest too deeply if those in strings and comments count, too (fast)."""
    depth = 0
    for bracket in text.translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"([{" else -1
        if depth > MAX_NESTING:
            return True
        depth = max(depth, 0)
    return False


def syntax_error_in(source: Source, root: "Node") -> SchemaError:
    """Return the error for a tree that the parser found faulty, at the most likely place."""
    if fault := _bracket_fault(source.text) or _missing_colon(source.text):
        return syntax_error(source, *fault)
    node = root
    while inner := next((n for n in node.children if n.has_error or n.is_missing), None):
        node = inner
    unexpected = next((n for n in node.children if not n.is_named), node)
    return syntax_error(source, unexpected.start_byte, "invalid syntax")


def check_layout(source: Source, root: "Node") -> None:
    """Raise SchemaError for invalid source that the grammar accepts."""
    pending = [root]
    while pending:
        node = pending.pop()
        parts = children(node)
        if node.type in ("module", "block"):
            _check_block(source, node, parts)
        pending += [n for n in parts if n.type in _COMPOUND or n.type in _CLAUSES or n.type == "block"]


def _check_block(source: Source, block: "Node", statements: "list[Node]") -> None:
    if not statements and block.type == "block":
        raise syntax_error(source, block.start_byte, "expected an indented block")
    expected = "" if block.type == "module" else None
    for statement in statements:
        parts = [statement]
        if statement.type in _COMPOUND:
            parts += [part for part in children(statement) if part.type in _CLAUSES]
        elif statement.type not in _CLAUSES:
            _check_simple_statement(source, statement)
        for part in parts:
            indentation = _indentation(source, part)
            if expected is None:
                expected = indentation
            elif indentation is not None and indentation != expected:
                raise syntax_error(source, part.start_byte, "inconsistent indentation")


def _indentation(source: Source, node: "Node") -> str | None:
    """Return the text before the node on its line; None if that is not only whitespace."""
    line_start = node.start_byte - node.start_point[1]
    before = source.slice(line_start, node.start_byte).replace("\f", "")
    return None if before.strip(" \t") else before


def _check_simple_statement(source: Source, statement: "Node") -> None:
    if name := _PYTHON_2.get(statement.type):
        raise syntax_error(source, statement.start_byte, f"missing parentheses in call to '{name}'")
    pending = [statement]
    while pending:
        node = pending.pop()
        if node.start_point[0] == node.end_point[0] or node.type == "string":
            continue
        depth, end = 0, node.start_byte
        for part in node.children:
            gap = source.text[end : part.start_byte]
            if depth == 0 and gap.count(b"\n") > gap.count(b"\\\n"):
                raise syntax_error(source, part.start_byte, "invalid syntax, the line before is not complete")
            if part.type in ("(", "[", "{"):
                depth += 1
            elif part.type in (")", "]", "}"):
                depth -= 1
            elif depth == 0:
                pending.append(part)
            end = part.end_byte


def _bracket_fault(text: bytes) -> tuple[int, str] | None:
    opened: list[tuple[int, bytes]] = []
    for offset, mark in _marks(text):
        if mark in _QUOTES:
            return offset, "unterminated string literal"
        if mark in _CLOSING:
            opened.append((offset, mark))
        elif not _step(mark):
            continue
        elif not opened:
            return offset, f"unmatched '{mark.decode()}'"
        elif _CLOSING[opened[-1][1]] == mark:
            opened.pop()
        else:
            return offset, f"'{mark.decode()}' does not match '{opened[-1][1].decode()}'"
    return (opened[-1][0], f"'{opened[-1][1].decode()}' was never closed") if opened else None


def _missing_colon(text: bytes) -> tuple[int, str] | None:
    """Return the end of the first line that starts a compound statement without a colon outside brackets."""
    depth, line_start, has_colon = 0, 0, False
    for offset, mark in _marks(text):
        depth += _step(mark)
        if depth == 0 and mark == b":":
            has_colon = True
        elif depth == 0 and mark == b"\n":
            if not has_colon and _HEADER.match(text, line_start):
                return offset, "expected ':'"
            line_start, has_colon = offset + 1, False
    return None


def _step(mark: bytes) -> int:
    """Return how a mark changes the depth of nesting."""
    return 1 if mark in _CLOSING else -1 if mark in b")]}" else 0


def _marks(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield brackets, colons and line ends outside strings and comments; quotes of unterminated strings."""
    for match in _TOKENS.finditer(text):
        if mark := match["mark"]:
            yield match.start(), mark
