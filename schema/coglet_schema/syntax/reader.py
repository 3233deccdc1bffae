"""From the parser's nodes to our expressions.

The tree is read on demand, node by node: of a long file only what the schema needs is ever converted.
"""

import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

from coglet_schema.syntax.expressions import (
    Attribute,
    Binary,
    Call,
    Constant,
    Dots,
    Expression,
    Items,
    Name,
    Negative,
    Pairs,
    Starred,
    Subscript,
)
from coglet_schema.syntax.literals import read_number, read_string
from coglet_schema.syntax.source import Source, syntax_error

if TYPE_CHECKING:
    from tree_sitter import Node

# A larger list or dict is data, not a default or a set of choices; reading it would take seconds.
MAX_NODES: Final = 50_000

_KEYWORD_VALUES: Final = {"none": None, "true": True, "false": False}
_OPERATORS: Final[dict[str, Literal["+", "|"]]] = {"+": "+", "|": "|"}
_DISPLAYS: Final[dict[str, Literal["list", "tuple", "set"]]] = {
    "list": "list",
    "tuple": "tuple",
    "set": "set",
    "expression_list": "tuple",
}


class Reader:
    """Reads expressions of one source. `base` is added to offsets, for text quoted inside another file."""

    def __init__(self, source: Source, text: bytes | None = None, base: int = 0) -> None:
        self.source = source
        self._text = source.text if text is None else text
        self._base = base

    def text(self, node: "Node") -> str:
        return self._text[node.start_byte : node.end_byte].decode()

    def identifier(self, node: "Node") -> str:
        """A name as Python stores it (PEP 3131: NFKC)."""
        text = self.text(node)
        return text if text.isascii() else unicodedata.normalize("NFKC", text)

    def span(self, node: "Node") -> tuple[int, int]:
        return node.start_byte + self._base, node.end_byte + self._base

    def expression(self, node: "Node") -> Expression:
        read = _READERS.get(node.type)
        return read(self, node) if read else Expression(*self.span(node))


def children(node: "Node") -> list["Node"]:
    """The named children without comments and line continuations."""
    return [child for child in node.named_children if not child.is_extra]


def field(node: "Node", name: str) -> "Node":
    """A child that the grammar guarantees."""
    child = node.child_by_field_name(name)
    assert child is not None, f"{node.type} without {name}"
    return child


def _read_inner(reader: Reader, node: "Node") -> Expression:
    inner = children(node)
    return reader.expression(inner[0]) if len(inner) == 1 else Expression(*reader.span(node))


def _read_name(reader: Reader, node: "Node") -> Expression:
    return Name(*reader.span(node), reader.identifier(node))


def _read_keyword_value(reader: Reader, node: "Node") -> Expression:
    return Constant(*reader.span(node), _KEYWORD_VALUES[node.type])


def _read_dots(reader: Reader, node: "Node") -> Expression:
    return Dots(*reader.span(node))


def _read_number(reader: Reader, node: "Node") -> Expression:
    try:
        value = read_number(reader.text(node))
    except ValueError as error:
        raise syntax_error(reader.source, reader.span(node)[0], str(error)) from None
    return Expression(*reader.span(node)) if value is None else Constant(*reader.span(node), value)


def _read_string(reader: Reader, node: "Node") -> Expression:
    try:
        string = read_string(reader.text(node))
    except ValueError as error:
        raise syntax_error(reader.source, reader.span(node)[0], str(error)) from None
    return Expression(*reader.span(node)) if string is None else Constant(*reader.span(node), string)


def _read_concatenated_string(reader: Reader, node: "Node") -> Expression:
    text = ""
    for part in map(reader.expression, children(node)):
        if not (isinstance(part, Constant) and isinstance(part.value, str)):
            return Expression(*reader.span(node))
        text += part.value
    return Constant(*reader.span(node), text)


def _read_attribute(reader: Reader, node: "Node") -> Expression:
    owner = reader.expression(field(node, "object"))
    return Attribute(*reader.span(node), owner, reader.identifier(field(node, "attribute")))


def _read_member_type(reader: Reader, node: "Node") -> Expression:
    owner, name = children(node)
    return Attribute(*reader.span(node), reader.expression(owner), reader.identifier(name))


def _read_subscript(reader: Reader, node: "Node") -> Expression:
    base, *arguments = children(node)
    return _subscript(reader, node, base, arguments)


def _read_generic_type(reader: Reader, node: "Node") -> Expression:
    base, parameters = children(node)
    return _subscript(reader, node, base, children(parameters))


def _subscript(reader: Reader, node: "Node", base: "Node", arguments: list["Node"]) -> Expression:
    read = tuple(map(reader.expression, arguments))
    match read:
        case (Items(kind="tuple", items=items),):  # X[(A, B)] is X[A, B]
            read = items
    return Subscript(*reader.span(node), reader.expression(base), read)


def _read_call(reader: Reader, node: "Node") -> Expression:
    positional: list[Expression] = []
    keywords: dict[str, Expression] = {}
    unpacked: list[Expression] = []
    arguments = field(node, "arguments")  # of f(x for x in y): the generator itself
    for argument in children(arguments) if arguments.type == "argument_list" else [arguments]:
        match argument.type:
            case "keyword_argument":
                name = reader.identifier(field(argument, "name"))
                keywords[name] = reader.expression(field(argument, "value"))
            case "dictionary_splat":
                unpacked.append(_read_inner(reader, argument))
            case _:
                positional.append(reader.expression(argument))
    function = reader.expression(field(node, "function"))
    return Call(*reader.span(node), function, tuple(positional), keywords, tuple(unpacked))


def _read_items(reader: Reader, node: "Node") -> Expression:
    if node.descendant_count > MAX_NODES:
        return Expression(*reader.span(node))
    items = tuple(map(reader.expression, children(node)))
    return Items(*reader.span(node), _DISPLAYS[node.type], items)


def _read_starred(reader: Reader, node: "Node") -> Expression:
    return Starred(*reader.span(node), _read_inner(reader, node))


def _read_dictionary(reader: Reader, node: "Node") -> Expression:
    if node.descendant_count > MAX_NODES:
        return Expression(*reader.span(node))
    pairs = children(node)
    if any(pair.type != "pair" for pair in pairs):
        return Expression(*reader.span(node))
    return Pairs(
        *reader.span(node),
        tuple((reader.expression(field(p, "key")), reader.expression(field(p, "value"))) for p in pairs),
    )


def _read_unary(reader: Reader, node: "Node") -> Expression:
    operand = reader.expression(field(node, "argument"))
    match reader.text(field(node, "operator")):
        case "-":
            return Negative(*reader.span(node), operand)
        case "+":
            return operand
    return Expression(*reader.span(node))


def _read_binary(reader: Reader, node: "Node") -> Expression:
    operator = reader.text(field(node, "operator"))
    if operator not in _OPERATORS:
        return Expression(*reader.span(node))
    left, right = reader.expression(field(node, "left")), reader.expression(field(node, "right"))
    return Binary(*reader.span(node), _OPERATORS[operator], left, right)


def _read_union_type(reader: Reader, node: "Node") -> Expression:
    left, right = map(reader.expression, children(node))
    return Binary(*reader.span(node), "|", left, right)


_READERS: Final[dict[str, Callable[[Reader, "Node"], Expression]]] = {
    "attribute": _read_attribute,
    "binary_operator": _read_binary,
    "call": _read_call,
    "concatenated_string": _read_concatenated_string,
    "dictionary": _read_dictionary,
    "ellipsis": _read_dots,
    "expression_list": _read_items,
    "false": _read_keyword_value,
    "float": _read_number,
    "generic_type": _read_generic_type,
    "identifier": _read_name,
    "integer": _read_number,
    "list": _read_items,
    "list_splat": _read_starred,
    "member_type": _read_member_type,
    "none": _read_keyword_value,
    "parenthesized_expression": _read_inner,
    "set": _read_items,
    "string": _read_string,
    "subscript": _read_subscript,
    "true": _read_keyword_value,
    "tuple": _read_items,
    "type": _read_inner,
    "unary_operator": _read_unary,
    "union_type": _read_union_type,
}
