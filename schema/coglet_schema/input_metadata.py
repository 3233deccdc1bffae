"""The arguments of `Input(...)` as JSON Schema keywords."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from coglet_schema.errors import ErrorKind, SchemaError
from coglet_schema.literals import JsonValue, NotLiteral, evaluate, evaluate_choices
from coglet_schema.names import Bound
from coglet_schema.syntax.expressions import Constant, Dots


@dataclass(frozen=True)
class Metadata:
    """What `Input(...)` declares besides the type."""

    has_default: bool = False
    default: JsonValue = None
    keywords: Mapping[str, Any] = field(default_factory=dict)
    choices: tuple[JsonValue, ...] = ()
    warnings: tuple[str, ...] = ()
    # The expression of `accept`, for an error about a type that does not allow it.
    accept: Bound | None = None


@dataclass(frozen=True)
class _Constraint:
    keyword: str
    is_valid: Callable[[JsonValue], bool]
    expected: str
    example: str


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_length(value: JsonValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(value: JsonValue) -> bool:
    return isinstance(value, str)


def _is_flag(value: JsonValue) -> bool:
    return isinstance(value, bool)


_CONSTRAINTS: Final = {
    "ge": _Constraint("minimum", _is_number, "a number", "ge=0"),
    "le": _Constraint("maximum", _is_number, "a number", "le=10"),
    "min_length": _Constraint("minLength", _is_length, "an integer of 0 or more", "min_length=1"),
    "max_length": _Constraint("maxLength", _is_length, "an integer of 0 or more", "max_length=100"),
    "regex": _Constraint("pattern", _is_text, "a string", 'regex="^[a-z]+$"'),
    "deprecated": _Constraint("deprecated", _is_flag, "True or False", "deprecated=True"),
    "accept": _Constraint("x-cog-accept", _is_text, "a string", 'accept="image/*"'),
}
_ARGUMENTS: Final = frozenset({"default", "default_factory", "description", "choices", *_CONSTRAINTS})
# Keywords that restrict the value itself; in a union it is unclear which member they would restrict.
RESTRICTIONS: Final = frozenset({"minimum", "maximum", "minLength", "maxLength", "pattern"})


def read_metadata(parameter: str, arguments: Mapping[str, Bound]) -> Metadata:
    """Read the arguments of one `Input(...)`. Raises SchemaError if one cannot be read or is not allowed."""
    _check_names(parameter, arguments)
    notes: list[str] = []
    description = _description(arguments.get("description"), notes)
    keywords = {} if description is None else {"description": description}
    for name, value in arguments.items():
        if name in _CONSTRAINTS:
            keywords |= _constraint(parameter, name, value, notes)
    default = arguments.get("default")
    has_default = default is not None and not isinstance(default.expression, Dots)
    return Metadata(
        has_default=has_default,
        default=read_default(parameter, default, notes) if default and has_default else None,
        keywords=keywords,
        choices=_choices(parameter, arguments.get("choices"), notes),
        warnings=_warnings(parameter, notes, description, arguments.get("description")),
        accept=arguments.get("accept") if "x-cog-accept" in keywords else None,
    )


def _warnings(
    parameter: str, notes: list[str], description: str | None, argument: Bound | None
) -> tuple[str, ...]:
    warnings = [f"input '{parameter}': {note}" for note in notes]
    if description is None and _is_given(argument):
        warnings.append(f"description of input '{parameter}' cannot be statically resolved and is left out")
    return tuple(warnings)


def read_default(parameter: str, bound: Bound, notes: list[str]) -> JsonValue:
    """Return the value of a default; `notes` as for `evaluate`. Raises SchemaError if it cannot be known."""
    try:
        return evaluate(bound, notes)
    except NotLiteral:
        message = f"parameter '{parameter}': default `{bound.text}` cannot be statically resolved"
        raise SchemaError(ErrorKind.DEFAULT_NOT_RESOLVABLE, message, bound.place) from None


def _check_names(parameter: str, arguments: Mapping[str, Bound]) -> None:
    for name, value in arguments.items():
        if name not in _ARGUMENTS:
            message = f"parameter '{parameter}': Input() has no argument '{name}'"
            hint = f"Input() takes {', '.join(sorted(_ARGUMENTS - {'default_factory'}))}"
            raise SchemaError(ErrorKind.OTHER, message, value.place, hint)
    factory = arguments.get("default_factory")
    if factory and _is_given(factory):
        message = f"parameter '{parameter}': default_factory is not supported in static schema generation"
        raise SchemaError(ErrorKind.DEFAULT_FACTORY_NOT_SUPPORTED, message, factory.place)


def _is_given(argument: Bound | None) -> bool:
    """Return whether an argument is present and not None, which means the same as omitting it."""
    return argument is not None and not (
        isinstance(argument.expression, Constant) and argument.expression.value is None
    )


def _description(argument: Bound | None, notes: list[str]) -> str | None:
    """Return the text, or None if it is computed: a model with such a description must still get a schema."""
    try:
        text = evaluate(argument, notes) if argument else None
    except NotLiteral:
        return None
    return text if isinstance(text, str) else None


def _constraint(parameter: str, name: str, argument: Bound, notes: list[str]) -> dict[str, Any]:
    constraint = _CONSTRAINTS[name]
    try:
        value = evaluate(argument, notes)
    except NotLiteral:
        value = []  # valid for no constraint
    if value is None or (name == "deprecated" and value is False):
        return {}
    if not constraint.is_valid(value):
        message = f"parameter '{parameter}': {name} must be {constraint.expected}, got `{argument.text}`"
        hint = f"write a literal such as `{constraint.example}`, or what can be computed from constants"
        raise SchemaError(ErrorKind.INVALID_CONSTRAINT, message, argument.place, hint)
    return {constraint.keyword: value}


def _choices(parameter: str, argument: Bound | None, notes: list[str]) -> tuple[JsonValue, ...]:
    if argument is None or not _is_given(argument):
        return ()
    try:
        choices = evaluate_choices(argument, notes)
    except NotLiteral:
        message = f"parameter '{parameter}': choices expression cannot be statically resolved"
        raise SchemaError(ErrorKind.CHOICES_NOT_RESOLVABLE, message, argument.place) from None
    if not all(isinstance(choice, str | int | float) for choice in choices):
        message = f"parameter '{parameter}': choices must be strings or numbers"
        hint = "use a list input with choices when several may be chosen"
        raise SchemaError(ErrorKind.INVALID_CONSTRAINT, message, argument.place, hint)
    return tuple(choices)
