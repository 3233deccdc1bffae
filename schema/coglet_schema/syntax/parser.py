"""Parses source to its definitions, with tree-sitter.

tree-sitter, because its grammar covers the syntax of all Python releases, whatever interpreter runs it; `ast`
covers one. The disadvantage is that it accepts some invalid source; `layout` finds the cases that matter.
"""

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from coglet_schema.syntax.definitions import Body, read_body
from coglet_schema.syntax.expressions import Constant, Expression
from coglet_schema.syntax.layout import check_layout, check_nesting, syntax_error_in
from coglet_schema.syntax.reader import Reader
from coglet_schema.syntax.source import Source

if TYPE_CHECKING:
    from tree_sitter import Language, Tree

_TYPE_PARAMETERS: Final = re.compile(rb"\b(?:class|def|type)[ \t]+\w+[ \t]*(?=\[)")


def parse_module(source: Source) -> Body:
    """Read a whole file. Raises SchemaError if it is not valid Python."""
    check_nesting(source)
    tree = _parse(source.text)
    if tree.root_node.has_error:
        # The grammar lacks defaults of type parameters (PEP 696), which we do not need.
        tree = _parse(_without_type_parameters(source.text))
    if tree.root_node.has_error:
        raise syntax_error_in(source, tree.root_node)
    check_layout(source, tree.root_node)
    return read_body(Reader(source), tree.root_node)


def parse_quoted(source: Source, quoted: Constant) -> Expression:
    """Read the expression inside a string literal, such as an annotation in quotes."""
    text = str(quoted.value)
    token = source.slice(quoted.start, quoted.end)
    # Parentheses as in `typing.get_type_hints`, which lets such an annotation span lines.
    code = f"({text})".encode()
    base = quoted.start + max(token.find(text), 1) - 1
    root = _parse(code).root_node
    if root.has_error or len(root.named_children) != 1:
        return Expression(quoted.start, quoted.end)
    return Reader(source, code, base).expression(root.named_children[0].named_children[0])


def _parse(text: bytes) -> "Tree":
    from tree_sitter import Parser  # here, so that importing this package stays cheap

    return Parser(_language()).parse(text)


@cache
def _language() -> "Language":
    import tree_sitter_python
    from tree_sitter import Language

    return Language(tree_sitter_python.language())


def _without_type_parameters(text: bytes) -> bytes:
    blanked = bytearray(text)
    for match in _TYPE_PARAMETERS.finditer(text):
        end = _closing_bracket(text, match.end())
        blanked[match.end() : end] = b" " * (end - match.end())
    return bytes(blanked)


def _closing_bracket(text: bytes, opening: int) -> int:
    """Return the offset after the bracket that closes the one at `opening`, or `opening` without one."""
    depth = 0
    for match in re.compile(rb"[\[\]]").finditer(text, opening):
        depth += 1 if match[0] == b"[" else -1
        if depth == 0:
            return match.end()
    return opening
