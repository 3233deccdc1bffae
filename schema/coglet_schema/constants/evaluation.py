"""Evaluates constant expressions as Python would, without running the source.

Each expression costs a step of the project's budget and large values cost more, so that a hostile source
fails with an error after a bounded time.
"""

import math
import sys
from collections import ChainMap
from collections.abc import Callable, Iterator
from typing import Any, Final

from coglet_schema.constants import calls, operators, templates
from coglet_schema.constants.enum_classes import enum_members, is_enum
from coglet_schema.constants.values import (
    Computed,
    Member,
    NotLiteral,
    Sequenced,
    Unknown,
    Value,
    checked,
    is_scalar,
    items_of,
    keyed,
    scalars,
)
from coglet_schema.names import (
    Bound,
    ClassSymbol,
    External,
    ModuleSymbol,
    Scope,
    Symbol,
    ValueSymbol,
    member,
    resolve,
)
from coglet_schema.project import Project
from coglet_schema.syntax.expressions import (
    Attribute,
    Binary,
    Call,
    Comparison,
    Comprehension,
    Conditional,
    Constant,
    Expression,
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

_LIBRARY_CONSTANTS: Final = {
    "math.e": math.e,
    "math.inf": math.inf,
    "math.pi": math.pi,
    "math.tau": math.tau,
    "sys.maxsize": sys.maxsize,
}
_ENVIRONMENT_READERS: Final = frozenset({"os.getenv", "os.environ.get"})
# What Python raises for unsuitable operands and arguments.
_PYTHON_ERRORS: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class Evaluation:
    """Evaluates expressions; `notes` are sentences about values that may differ on another machine."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def value(self, bound: Bound) -> Value:
        """Return the value of an expression.

        Raises NotLiteral if it cannot be known, SchemaError if the project's budget is exceeded.
        """
        bound.scope.module.project.spend()
        read = _READERS.get(type(bound.expression))
        if read is None:
            raise NotLiteral
        try:
            return checked(read(self, bound, bound.expression), _project(bound))
        except _PYTHON_ERRORS:
            raise NotLiteral from None

    def items(self, bound: Bound) -> list[Value]:
        """Return what a loop over an expression yields: items, keys of a dict, members of an enum.

        Raises NotLiteral if it cannot be iterated or known.
        """
        if isinstance(bound.expression, Name | Attribute):
            symbol = resolve(bound)
            if isinstance(symbol, ClassSymbol) and is_enum(symbol):
                return [Member(name, self.value(value)) for name, value in enum_members(symbol)]
        return items_of(self.value(bound))

    def constant(self, _: Bound, expression: Constant) -> Value:
        return expression.value

    def computed(self, _: Bound, expression: Computed) -> Value:
        return expression.value

    def name(self, bound: Bound, _: Name) -> Value:
        return self._known(resolve(bound))

    def attribute(self, bound: Bound, expression: Attribute) -> Value:
        """Read a constant of a class or module, or `value` and `name` of an enum's member in a loop."""
        symbol = resolve(bound)
        if isinstance(symbol, ValueSymbol) or _is_library_constant(symbol):
            return self._known(symbol)
        owner = self.value(bound.with_(expression.owner))
        if isinstance(owner, Member) and expression.name in ("name", "value"):
            return owner.value if expression.name == "value" else owner.name
        raise NotLiteral

    def display(self, bound: Bound, expression: Items) -> Value:
        values: list[Value] = []
        for item in expression.items:
            if isinstance(item, Starred):
                values += self.items(bound.with_(item.operand))
                checked(values, _project(bound))
            else:
                values.append(self.value(bound.with_(item)))
        match expression.kind:
            case "tuple":
                return tuple(values)
            case "set":
                return Sequenced(dict.fromkeys(scalars(values)))
        return values

    def pairs(self, bound: Bound, expression: Pairs) -> Value:
        result: dict[Value, Value] = {}
        for key, value in expression.pairs:
            if key is None:
                unpacked = self.value(bound.with_(value))
                result |= unpacked if type(unpacked) is dict else _refuse()
                checked(result, _project(bound))
            else:
                result |= keyed([(self.value(bound.with_(key)), self._value_or_unknown(bound.with_(value)))])
        return result

    def unary(self, bound: Bound, expression: Unary) -> Value:
        return operators.unary(expression.operator, self.value(bound.with_(expression.operand)))

    def binary(self, bound: Bound, expression: Binary) -> Value:
        left = self.value(bound.with_(expression.left))
        right = self.value(bound.with_(expression.right))
        if expression.operator == "%" and isinstance(left, str):
            return templates.percent(left, right)
        return operators.binary(expression.operator, left, right)

    def logical(self, bound: Bound, expression: Logical) -> Value:
        left = self.value(bound.with_(expression.left))
        if operators.truth(left) == (expression.operator == "or"):
            return left
        return self.value(bound.with_(expression.right))

    def comparison(self, bound: Bound, expression: Comparison) -> Value:
        left = self.value(bound.with_(expression.operands[0]))
        for symbol, operand in zip(expression.operators, expression.operands[1:], strict=True):
            right = self.value(bound.with_(operand))
            if not operators.compare(symbol, left, right):
                return False
            left = right
        return True

    def conditional(self, bound: Bound, expression: Conditional) -> Value:
        holds = operators.truth(self.value(bound.with_(expression.test)))
        return self.value(bound.with_(expression.chosen if holds else expression.other))

    def subscript(self, bound: Bound, expression: Subscript) -> Value:
        owner = self.value(bound.with_(expression.base))
        if len(expression.arguments) != 1 or type(owner) not in (list, tuple, str, dict):
            raise NotLiteral
        (argument,) = expression.arguments
        if isinstance(argument, Slice):
            limits = [None if e is None else self.value(bound.with_(e)) for e in argument.bounds]
            return owner[slice(*limits)]
        key = self.value(bound.with_(argument))
        return owner[key] if is_scalar(key) else _refuse()

    def template(self, bound: Bound, expression: Template) -> Value:
        parts: list[str] = []
        for part in expression.parts:
            if isinstance(part, str):
                parts.append(part)
            else:
                # `{x=}` shows the value's `repr` unless it has a conversion or a format.
                conversion = part.conversion or ("r" if part.shown and not part.format else "")
                value = self.value(bound.with_(part.expression))
                parts.append(part.shown + templates.show(value, conversion, part.format))
        return "".join(parts)

    def comprehension(self, bound: Bound, expression: Comprehension) -> Value:
        scopes = self._iterations(bound.scope, expression.loops)
        if expression.value is not None:
            value = expression.value
            return keyed(
                (
                    self.value(Bound(expression.element, scope)),
                    self._value_or_unknown(Bound(value, scope)),
                )
                for scope in scopes
            )
        values = [self.value(Bound(expression.element, scope)) for scope in scopes]
        match expression.kind:
            case "list":
                return values
            case "set":
                return Sequenced(dict.fromkeys(scalars(values)))
        return Sequenced(values)

    def call(self, bound: Bound, expression: Call) -> Value:
        symbol = resolve(bound.with_(expression.function))
        if isinstance(symbol, External):
            name = symbol.dotted_name.removeprefix("builtins.")
            if symbol.imported and name in _ENVIRONMENT_READERS:
                return self._environment(bound, expression)
            if name == "getattr":
                return self._getattr(bound, expression)
            if name in calls.FUNCTIONS and symbol.imported == ("." in symbol.dotted_name):
                return self._apply(calls.FUNCTIONS[name], (), bound, expression)
        if isinstance(expression.function, Attribute):
            owner = self.value(bound.with_(expression.function.owner))
            method = calls.METHODS.get(type(owner), {}).get(expression.function.name)
            if method is not None:
                return self._apply(method, (owner,), bound, expression)
        raise NotLiteral

    def _apply(self, function: calls.Method, first: tuple[Value, ...], bound: Bound, call: Call) -> Value:
        if call.unpacked:
            raise NotLiteral
        positional = [*first]
        for argument in call.positional:
            if isinstance(argument, Starred):
                positional += self.items(bound.with_(argument.operand))
            elif function in _ITERATING:
                positional.append(self._iterable(bound.with_(argument)))
            else:
                positional.append(self.value(bound.with_(argument)))
        named = {name: self.value(bound.with_(value)) for name, value in call.keywords.items()}
        for value in positional:  # reading the arguments counts as work, too
            checked(value, _project(bound))
        return function(*positional, **named)

    def _iterable(self, bound: Bound) -> Value:
        """Return the value, or the members of an enum."""
        symbol = resolve(bound) if isinstance(bound.expression, Name | Attribute) else None
        return self.items(bound) if isinstance(symbol, ClassSymbol) else self.value(bound)

    def _environment(self, bound: Bound, call: Call) -> Value:
        """Return the default of an environment variable, None without a default."""
        if call.keywords or call.unpacked or len(call.positional) not in (1, 2):
            raise NotLiteral
        variable, *default = (self.value(bound.with_(argument)) for argument in call.positional)
        self.notes.append(f"`{bound.text}` is taken as if the variable {variable} was not set")
        return default[0] if default else None

    def _getattr(self, bound: Bound, call: Call) -> Value:
        """Return the attribute of a class or module of the project, else the default."""
        if call.keywords or call.unpacked or len(call.positional) != 3:
            raise NotLiteral
        owner, name, default = (bound.with_(argument) for argument in call.positional)
        symbol, key = resolve(owner), self.value(name)
        if isinstance(symbol, ModuleSymbol | ClassSymbol) and isinstance(key, str):
            found = member(symbol, key)
            if isinstance(found, ValueSymbol):
                return self._known(found)
        else:
            self.notes.append(
                f"`{bound.text}` is taken as its default, because `{owner.text}` cannot be read"
            )
        return self.value(default)

    def _iterations(self, scope: Scope, loops: tuple[Loop, ...]) -> Iterator[Scope]:
        """Yield a scope with the loops' variables for each iteration that meets the conditions."""
        if not loops:
            yield scope
            return
        loop, *inner = loops
        for item in self.items(Bound(loop.iterable, scope)):
            variables = dict(_assigned(loop.target, item, scope))
            bound_scope = Scope(scope.module, ChainMap(variables, scope.local))  # type: ignore[arg-type]
            conditions = (self.value(Bound(condition, bound_scope)) for condition in loop.conditions)
            if all(map(operators.truth, conditions)):
                yield from self._iterations(bound_scope, tuple(inner))

    def _known(self, symbol: Symbol) -> Value:
        """Return the value of a constant of the project, or of a known one of the standard library."""
        match symbol:
            case ValueSymbol(value=value) if not isinstance(value.expression, Name | Attribute):
                return self.value(value)
            case External(dotted_name=name) if _is_library_constant(symbol):
                return _LIBRARY_CONSTANTS[name]
        raise NotLiteral

    def _value_or_unknown(self, bound: Bound) -> Value:
        """Return the value of a dict's item, or Unknown, because its key can still be used."""
        try:
            return self.value(bound)
        except NotLiteral:
            return Unknown()


def _assigned(target: Expression, item: Value, scope: Scope) -> Iterator[tuple[str, Bound]]:
    """Yield the names that a loop's target binds. Raises NotLiteral if the item cannot be unpacked to it."""
    match target:
        case Name(start=start, end=end, name=name):
            yield name, Bound(Computed(start, end, item), scope)
        case Items(items=targets):
            values = items_of(item)
            if len(values) != len(targets):
                raise NotLiteral
            for inner, value in zip(targets, values, strict=True):
                yield from _assigned(inner, value, scope)
        case _:
            raise NotLiteral


def _is_library_constant(symbol: Symbol) -> bool:
    return isinstance(symbol, External) and symbol.imported and symbol.dotted_name in _LIBRARY_CONSTANTS


def _project(bound: Bound) -> Project:
    return bound.scope.module.project


def _refuse() -> Value:
    raise NotLiteral


# Functions that iterate their argument, which may be an enum.
_ITERATING: Final = frozenset(
    calls.FUNCTIONS[name] for name in ("enumerate", "len", "list", "reversed", "tuple", "zip")
)
_READERS: Final[dict[type[Expression], Callable[[Evaluation, Bound, Any], Value]]] = {
    Attribute: Evaluation.attribute,
    Binary: Evaluation.binary,
    Call: Evaluation.call,
    Comparison: Evaluation.comparison,
    Comprehension: Evaluation.comprehension,
    Computed: Evaluation.computed,
    Conditional: Evaluation.conditional,
    Constant: Evaluation.constant,
    Items: Evaluation.display,
    Logical: Evaluation.logical,
    Name: Evaluation.name,
    Pairs: Evaluation.pairs,
    Subscript: Evaluation.subscript,
    Template: Evaluation.template,
    Unary: Evaluation.unary,
}
