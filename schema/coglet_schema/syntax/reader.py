"""Converts the parser's nodes to our expressions.

The tree is read on demand, node by node: of a long file only what the schema needs is converted.
"""

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from coglet_schema.syntax.expressions import (
    Attribute,
    Binary,
    Call,
    Comparison,
    Comprehension,
    Conditional,
    Constant,
    Dots,
    Expression,
    Field,
    Items,
    Logical,
    Loop,
    Name,
    Pairs,
    Slice,
    Starred,
    Subscript,
    Template,
    Unary,
)
from coglet_schema.syntax.literals import decode_text, read_number, read_string, template_prefix
from coglet_schema.syntax.source import Source, syntax_error

if TYPE_CHECKING:
    from tree_sitter import Node

# A larger list or dict is data, not a default or a set of choices; reading it would take seconds.
MAX_NODES: Final = 50_000

_KEYWORD_VALUES: Final = {"none": None, "true": True, "false": False}
_DISPLAYS: Final[dict[str, Literal["list", "tuple", "set"]]] = {
    "list": "list",
    "tuple": "tuple",
    "set": "set",
    "expression_list": "tuple",
    "pattern_list": "tuple",
    "tuple_pattern": "tuple",
}


_COMPREHENSIONS: Final[dict[str, Literal["list", "set", "dict", "generator"]]] = {
    "list_comprehension": "list",
    "set_comprehension": "set",
    "dictionary_comprehension": "dict",
    "generator_expression": "generator",
}


class Reader:
    """Reads expressions of one source. `base` is added to offsets, for text quoted inside another file."""

    def __init__(self, source: Source, text: bytes | None = None, base: int = 0) -> None:
        self.source = source
        self._text = source.text if text is None else text
        self._base = base

    def text(self, node: "Node") -> str:
        return self.slice(node.start_byte, node.end_byte)

    def slice(self, start: int, end: int) -> str:
        """Return the text between two offsets of the parser."""
        return self._text[start:end].decode()

    def identifier(self, node: "Node") -> str:
        """Return a name as Python stores it (PEP 3131: NFKC)."""
        text = self.text(node)
        return text if text.isascii() else unicodedata.normalize("NFKC", text)

    def span(self, node: "Node") -> tuple[int, int]:
        return node.start_byte + self._base, node.end_byte + self._base

    def expression(self, node: "Node") -> Expression:
        read = _READERS.get(node.type)
        return read(self, node) if read else Expression(*self.span(node))


def children(node: "Node") -> list["Node"]:
    """Return the named children without comments and line continuations."""
    return [child for child in node.named_children if not child.is_extra]


def field(node: "Node", name: str) -> "Node":
    """Return a child that the grammar guarantees."""
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
        prefix = template_prefix(reader.text(node.children[0]))
        if prefix is not None:
            return Template(*reader.span(node), tuple(_template_parts(reader, node, raw="r" in prefix)))
        string = read_string(reader.text(node))
    except ValueError as error:
        raise syntax_error(reader.source, reader.span(node)[0], str(error)) from None
    return Expression(*reader.span(node)) if string is None else Constant(*reader.span(node), string)


def _template_parts(reader: Reader, node: "Node", *, raw: bool) -> Iterator[str | Field]:
    """Yield the decoded texts between the fields of an f-string, and the fields."""
    at = node.children[0].end_byte
    for part in node.children[1:]:
        if part.type not in ("interpolation", "string_end"):
            continue
        if at < part.start_byte:
            text = reader.slice(at, part.start_byte)
            yield decode_text(text.replace("{{", "{").replace("}}", "}"), raw=raw)
        at = part.end_byte
        if part.type == "interpolation":
            yield _read_field(reader, part)


def _read_field(reader: Reader, node: "Node") -> Field:
    inner = field(node, "expression")
    conversion = node.child_by_field_name("type_conversion")
    form = node.child_by_field_name("format_specifier")
    rest = reader.slice(inner.end_byte, node.end_byte)
    shown = (
        reader.slice(node.start_byte + 1, inner.end_byte) + rest[: rest.index("=") + 1]
        if rest.lstrip().startswith("=")
        else ""
    )
    return Field(
        # A format that contains fields itself is not supported.
        Expression(*reader.span(inner)) if form and children(form) else reader.expression(inner),
        reader.text(conversion)[1:] if conversion else "",
        reader.text(form)[1:] if form else "",
        shown,
    )


def _read_concatenated_string(reader: Reader, node: "Node") -> Expression:
    parts: list[str | Field] = []
    for part in map(reader.expression, children(node)):
        match part:
            case Constant(value=str() as text):
                parts.append(text)
            case Template(parts=more):
                parts += more
            case _:
                return Expression(*reader.span(node))
    if all(isinstance(part, str) for part in parts):
        return Constant(*reader.span(node), "".join(map(str, parts)))
    return Template(*reader.span(node), tuple(parts))


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
    if isinstance(function, Starred):  # the parser reads `*f(x)` as `(*f)(x)`
        called = Call(*reader.span(node), function.operand, tuple(positional), keywords, tuple(unpacked))
        return Starred(*reader.span(node), called)
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
    pairs: list[tuple[Expression | None, Expression]] = []
    for pair in children(node):
        match pair.type:
            case "pair":
                pairs.append((reader.expression(field(pair, "key")), reader.expression(field(pair, "value"))))
            case "dictionary_splat":
                pairs.append((None, _read_inner(reader, pair)))
            case _:
                return Expression(*reader.span(node))
    return Pairs(*reader.span(node), tuple(pairs))


def _read_unary(reader: Reader, node: "Node") -> Expression:
    operand = reader.expression(field(node, "argument"))
    return Unary(*reader.span(node), reader.text(node.children[0]), operand)


def _read_binary(reader: Reader, node: "Node") -> Expression:
    operator = reader.text(field(node, "operator"))
    left, right = reader.expression(field(node, "left")), reader.expression(field(node, "right"))
    kind = Logical if node.type == "boolean_operator" else Binary
    return kind(*reader.span(node), operator, left, right)


def _read_comparison(reader: Reader, node: "Node") -> Expression:
    operators = tuple(" ".join(reader.text(o).split()) for o in node.children_by_field_name("operators"))
    return Comparison(*reader.span(node), tuple(map(reader.expression, children(node))), operators)


def _read_conditional(reader: Reader, node: "Node") -> Expression:
    chosen, test, other = map(reader.expression, children(node))
    return Conditional(*reader.span(node), chosen, test, other)


def _read_slice(reader: Reader, node: "Node") -> Expression:
    bounds: list[Expression | None] = [None]
    for child in node.children:
        if child.type == ":":
            bounds.append(None)
        elif not child.is_extra:
            bounds[-1] = reader.expression(child)
    start, stop, step = [*bounds, None, None][:3]
    return Slice(*reader.span(node), (start, stop, step))


def _read_comprehension(reader: Reader, node: "Node") -> Expression:
    loops: list[Loop] = []
    for clause in children(node)[1:]:
        if clause.type == "for_in_clause" and clause.children[0].type == "for":
            target, iterable = field(clause, "left"), clause.children_by_field_name("right")
            if len(iterable) != 1:
                return Expression(*reader.span(node))
            loops.append(Loop(reader.expression(target), reader.expression(iterable[0]), ()))
        elif clause.type == "if_clause" and loops:
            condition = _read_inner(reader, clause)
            loops[-1] = replace(loops[-1], conditions=(*loops[-1].conditions, condition))
        else:  # `async for`
            return Expression(*reader.span(node))
    body = field(node, "body")
    value = reader.expression(field(body, "value")) if body.type == "pair" else None
    element = reader.expression(field(body, "key") if body.type == "pair" else body)
    return Comprehension(*reader.span(node), _COMPREHENSIONS[node.type], element, value, tuple(loops))


def _read_union_type(reader: Reader, node: "Node") -> Expression:
    left, right = map(reader.expression, children(node))
    return Binary(*reader.span(node), "|", left, right)


_READERS: Final[dict[str, Callable[[Reader, "Node"], Expression]]] = {
    "attribute": _read_attribute,
    "binary_operator": _read_binary,
    "boolean_operator": _read_binary,
    "call": _read_call,
    "comparison_operator": _read_comparison,
    "concatenated_string": _read_concatenated_string,
    "conditional_expression": _read_conditional,
    "dictionary": _read_dictionary,
    "dictionary_comprehension": _read_comprehension,
    "ellipsis": _read_dots,
    "expression_list": _read_items,
    "false": _read_keyword_value,
    "float": _read_number,
    "generator_expression": _read_comprehension,
    "generic_type": _read_generic_type,
    "identifier": _read_name,
    "integer": _read_number,
    "list": _read_items,
    "list_comprehension": _read_comprehension,
    "list_splat": _read_starred,
    "member_type": _read_member_type,
    "none": _read_keyword_value,
    "not_operator": _read_unary,
    "parenthesized_expression": _read_inner,
    "pattern_list": _read_items,
    "set": _read_items,
    "set_comprehension": _read_comprehension,
    "slice": _read_slice,
    "string": _read_string,
    "subscript": _read_subscript,
    "true": _read_keyword_value,
    "tuple": _read_items,
    "tuple_pattern": _read_items,
    "type": _read_inner,
    "unary_operator": _read_unary,
    "union_type": _read_union_type,
}
