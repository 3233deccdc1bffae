"""The definitions in a module or a class body, by name.

Read are the statements of the body itself and, only for imports, those inside its `if` and `try` blocks
(`if TYPE_CHECKING:`). If a name is defined twice the last definition counts, as in Python.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Final

from coglet_schema.syntax.expressions import Binary, Expression
from coglet_schema.syntax.reader import Reader, children
from coglet_schema.syntax.reader import field as child

if TYPE_CHECKING:
    from tree_sitter import Node


@dataclass(frozen=True)
class Import:
    """What an imported name refers to: `name` of a module, or the module itself."""

    module: str
    # Leading dots.
    level: int
    # None: the module.
    name: str | None
    start: int


@dataclass(frozen=True, eq=False)
class Assignment:
    """`name: annotation = value`, `name += value` or `type name = value`."""

    node: "Node" = field(repr=False)
    reader: Reader = field(repr=False)
    # The definition that `+=` adds to.
    before: "Definition | None" = None

    @cached_property
    def annotation(self) -> Expression | None:
        return _optional(self.reader, self.node.child_by_field_name("type"))

    @cached_property
    def value(self) -> Expression | None:
        value = self.node.child_by_field_name("right")
        if self.node.type == "augmented_assignment":
            return self._sum(child(self.node, "right"))
        while value is not None and value.type == "assignment":  # a = b = value
            value = value.child_by_field_name("right")
        return _optional(self.reader, value)

    def _sum(self, operand: "Node") -> Expression:
        """Return the old value `+` the operand; for any other operator an unknown expression."""
        span = self.reader.span(self.node)
        known = self.before.value if isinstance(self.before, Assignment) else None
        if known is None or self.reader.text(child(self.node, "operator")) != "+=":
            return Expression(*span)
        return Binary(*span, "+", known, self.reader.expression(operand))


class ParameterKind(Enum):
    """How a parameter receives its arguments."""

    NAMED = "named"
    VAR_POSITIONAL = "*args"
    VAR_KEYWORD = "**kwargs"


@dataclass(frozen=True)
class Parameter:
    """One parameter of a function."""

    name: str
    kind: ParameterKind
    annotation: Expression | None
    default: Expression | None
    start: int


@dataclass(frozen=True, eq=False)
class Function:
    """`def name(parameters) -> returns:`"""

    name: str
    start: int
    node: "Node" = field(repr=False)
    reader: Reader = field(repr=False)
    decorator_nodes: "tuple[Node, ...]" = field(repr=False)

    @property
    def is_async(self) -> bool:
        return self.node.children[0].type == "async"

    @cached_property
    def decorators(self) -> tuple[Expression, ...]:
        return _decorators(self.reader, self.decorator_nodes)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        nodes = children(child(self.node, "parameters"))
        return tuple(p for node in nodes if (p := _read_parameter(self.reader, node)))

    @cached_property
    def returns(self) -> Expression | None:
        return _optional(self.reader, self.node.child_by_field_name("return_type"))

    @cached_property
    def returned(self) -> Expression | None:
        """The value of the first `return` statement at the top level of the body."""
        for statement in children(child(self.node, "body")):
            if statement.type == "return_statement" and (value := children(statement)):
                return self.reader.expression(value[0])
        return None


@dataclass(frozen=True, eq=False)
class Class:
    """`class name(bases, keyword=...):`"""

    name: str
    start: int
    node: "Node" = field(repr=False)
    reader: Reader = field(repr=False)
    decorator_nodes: "tuple[Node, ...]" = field(repr=False)

    @cached_property
    def decorators(self) -> tuple[Expression, ...]:
        return _decorators(self.reader, self.decorator_nodes)

    @cached_property
    def bases(self) -> tuple[Expression, ...]:
        return tuple(self.reader.expression(n) for n in self._arguments if n.type != "keyword_argument")

    @cached_property
    def keywords(self) -> Mapping[str, Expression]:
        nodes = [n for n in self._arguments if n.type == "keyword_argument"]
        return {
            self.reader.identifier(child(n, "name")): self.reader.expression(child(n, "value")) for n in nodes
        }

    @cached_property
    def body(self) -> "Body":
        return read_body(self.reader, child(self.node, "body"))

    @cached_property
    def _arguments(self) -> "list[Node]":
        arguments = self.node.child_by_field_name("superclasses")
        return children(arguments) if arguments else []


Definition = Import | Assignment | Function | Class


@dataclass(frozen=True)
class Body:
    """The names of a module or class body, in the order of their first definition."""

    names: Mapping[str, Definition]
    star_imports: tuple[Import, ...]


def read_body(reader: Reader, block: "Node") -> Body:
    """Collect the definitions among the statements of `block`."""
    names: dict[str, Definition] = {}
    stars: list[Import] = []
    for statement in children(block):
        if statement.type in _CONDITIONAL and "import" in reader.text(statement):
            for name, imported in _conditional_imports(reader, statement):
                names.setdefault(name, imported)
        for name, definition in _read_statement(reader, statement, names):
            if isinstance(definition, Import) and definition.name == "*":
                stars.append(definition)
            else:
                names[name] = definition
    return Body(names, tuple(stars))


_CONDITIONAL: Final = frozenset({"if_statement", "try_statement"})
_BRANCHES: Final = frozenset(
    {"block", "elif_clause", "else_clause", "except_clause", "finally_clause", *_CONDITIONAL}
)
_IMPORTS: Final = frozenset({"import_statement", "import_from_statement"})


def _conditional_imports(reader: Reader, statement: "Node") -> Iterator[tuple[str, Import]]:
    for node in children(statement):
        if node.type in _BRANCHES:
            yield from _conditional_imports(reader, node)
        elif node.type in _IMPORTS:
            yield from ((name, found) for name, found in _read_import(reader, node) if found.name != "*")


def _read_statement(
    reader: Reader, statement: "Node", names: Mapping[str, Definition]
) -> Iterator[tuple[str, Definition]]:
    match statement.type:
        case "import_statement" | "import_from_statement":
            yield from _read_import(reader, statement)
        case "class_definition" | "function_definition":
            yield _read_definition(reader, statement, ())
        case "decorated_definition":
            decorators = tuple(n for n in children(statement) if n.type == "decorator")
            yield _read_definition(reader, child(statement, "definition"), decorators)
        case "type_alias_statement":
            yield _read_type_alias(reader, statement)
        case "expression_statement":
            for node in children(statement):
                yield from _read_assignment(reader, node, names)


def _read_definition(
    reader: Reader, node: "Node", decorators: "tuple[Node, ...]"
) -> tuple[str, Function | Class]:
    name_node = child(node, "name")
    name = reader.identifier(name_node)
    make = Class if node.type == "class_definition" else Function
    return name, make(name, reader.span(name_node)[0], node, reader, decorators)


def _read_import(reader: Reader, statement: "Node") -> Iterator[tuple[str, Import]]:
    start = reader.span(statement)[0]
    origin = statement.child_by_field_name("module_name")
    path = reader.text(origin).replace(" ", "") if origin else ""
    module = path.lstrip(".")
    if any(node.type == "wildcard_import" for node in statement.named_children):
        yield "*", Import(module, len(path) - len(module), "*", start)
    for node in statement.children_by_field_name("name"):
        aliased = node.type == "aliased_import"
        target = reader.identifier(child(node, "name") if aliased else node).replace(" ", "")
        bound = reader.identifier(child(node, "alias")) if aliased else target
        if origin:
            yield bound, Import(module, len(path) - len(module), target, start)
        elif aliased:
            yield bound, Import(target, 0, None, start)
        else:  # `import a.b` binds `a`
            top = target.partition(".")[0]
            yield top, Import(top, 0, None, start)


def _read_type_alias(reader: Reader, statement: "Node") -> tuple[str, Assignment]:
    target = child(statement, "left")
    while target.type in ("type", "generic_type"):
        target = children(target)[0]
    return reader.identifier(target), Assignment(statement, reader)


def _read_assignment(
    reader: Reader, node: "Node | None", names: Mapping[str, Definition]
) -> Iterator[tuple[str, Assignment]]:
    while node is not None and node.type in ("assignment", "augmented_assignment"):  # a = b = value
        target = child(node, "left")
        if target.type == "identifier":
            name = reader.identifier(target)
            before = names.get(name) if node.type == "augmented_assignment" else None
            yield name, Assignment(node, reader, before)
        node = node.child_by_field_name("right")


def _read_parameter(reader: Reader, node: "Node") -> Parameter | None:
    if node.type in ("keyword_separator", "positional_separator"):
        return None
    target = node.child_by_field_name("name") or (
        children(node)[0] if node.type == "typed_parameter" else node
    )
    kind = _PARAMETER_KINDS.get(target.type, ParameterKind.NAMED)
    if kind is not ParameterKind.NAMED:
        target = children(target)[0]
    annotation = _optional(reader, node.child_by_field_name("type"))
    default = _optional(reader, node.child_by_field_name("value"))
    return Parameter(reader.identifier(target), kind, annotation, default, reader.span(node)[0])


_PARAMETER_KINDS: Final = {
    "list_splat_pattern": ParameterKind.VAR_POSITIONAL,
    "dictionary_splat_pattern": ParameterKind.VAR_KEYWORD,
}


def _decorators(reader: Reader, nodes: "Iterable[Node]") -> tuple[Expression, ...]:
    return tuple(reader.expression(children(node)[0]) for node in nodes)


def _optional(reader: Reader, node: "Node | None") -> Expression | None:
    return None if node is None else reader.expression(node)
