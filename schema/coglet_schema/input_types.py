"""The types that an input may have, and their JSON Schema."""

from dataclasses import dataclass, replace
from typing import Any, Final

from coglet_schema.annotations import (
    Generic,
    LiteralForm,
    NoneForm,
    OpaqueForm,
    Plain,
    TypeForm,
    Union,
    unresolvable_import,
    unsupported,
)
from coglet_schema.constants.enum_classes import is_enum
from coglet_schema.enumerations import enum_values, literal_values
from coglet_schema.errors import SchemaError
from coglet_schema.literals import JsonValue
from coglet_schema.models import ModelKind, model_kind
from coglet_schema.names import ClassSymbol, External
from coglet_schema.simple_types import FILE_TYPES, any_object, simple_schema

# The worker converts strings to these; in a union it could not decide which strings to convert.
_NOT_IN_UNIONS: Final = frozenset({*FILE_TYPES, "Secret"})
_HINT: Final = (
    "an input may be a str, int, float, bool, Path, Secret, dict or Any, a list of these, "
    "a Literal, an Enum, or a union of JSON types"
)
_NESTED_UNION_HINT: Final = "write all members into one union: `int | str | None`"


@dataclass(frozen=True)
class InputType:
    """The type of an input as its annotation declares it."""

    # Without `nullable`.
    schema: dict[str, Any]
    # The canonical name of the type, or of a list's items; empty if there is no single one.
    element: str
    is_list: bool = False
    is_union: bool = False
    is_nullable: bool = False
    choices: tuple[JsonValue, ...] = ()

    def or_null(self) -> "InputType":
        """Return the same type, which also accepts null."""
        schema = self.schema
        if self.is_union and not self.is_nullable:
            schema = {"anyOf": [{**variant, "nullable": True} for variant in schema["anyOf"]]}
        return replace(self, schema=schema, is_nullable=True)


def read_input_type(form: TypeForm) -> InputType:
    """Return the input type of an annotation. Raises SchemaError if it is not allowed for an input."""
    match form:
        case Union():
            return _union_type(form)
        case Generic(name="list"):
            return _list_type(form)
        case Plain(name="list"):
            return InputType({"type": "array", "items": any_object()}, "dict", is_list=True)
    return _element_type(form)


def _union_type(form: Union) -> InputType:
    match form.non_null:
        case ():
            message = "union inputs must include at least one non-None type"
            raise unsupported(form, message, "write `Optional[T]`")
        case (only,):
            return replace(read_input_type(only), is_nullable=True)
    variants: list[dict[str, Any]] = []
    types = [_union_member(member) for member in form.non_null]
    for schema in (t.schema for t in types):
        if schema not in variants:
            variants.append(schema)
    if len(variants) == 1:
        return replace(types[0], is_nullable=form.is_nullable)
    union = InputType({"anyOf": variants}, "", is_union=True)
    return union.or_null() if form.is_nullable else union


def _union_member(form: TypeForm) -> InputType:
    if isinstance(form, Union):
        if form.is_nullable:
            raise unsupported(
                form, "nested nullable variants are not supported in union inputs", _NESTED_UNION_HINT
            )
        raise unsupported(form, "nested union inputs are not supported", _NESTED_UNION_HINT)
    member = read_input_type(form)
    if member.element in _NOT_IN_UNIONS:
        raise unsupported(
            form, f"{member.element} is not supported in union inputs", "use two inputs, both optional"
        )
    if member.choices:
        raise restricted_union(form)
    return member


def restricted_union(form: TypeForm) -> SchemaError:
    """Return an error about a union that does not accept every value of its types."""
    message = "constraints and choices are not supported on union inputs"
    return unsupported(form, message, "check the value in the method, or use one type")


def _list_type(form: Generic) -> InputType:
    if len(form.arguments) != 1:
        message = f"List expects exactly 1 type argument, got {len(form.arguments)}"
        raise unsupported(form, message, "write `list[T]`")
    (item,) = form.arguments
    match item:
        case Union() | Plain(name="list"):
            raise _nested(item)
        case Generic(name=name) if name != "dict":
            raise _nested(item)
    element = _element_type(item)
    if element.is_nullable:  # Literal["a", None]
        raise _nested(item)
    return replace(element, schema={"type": "array", "items": element.schema}, is_list=True)


def _nested(item: TypeForm) -> SchemaError:
    message = "nested generics like List[Optional[X]] are not supported"
    return unsupported(
        item, message, "use `list[dict]`, or `list[Annotated[..., Opaque]]`, for structured items"
    )


def _element_type(form: TypeForm) -> InputType:
    """Return the type of a value that is not a list."""
    match form:
        case Plain(name=name) if schema := simple_schema(name):
            return InputType(schema, name)
        case OpaqueForm() | Generic(name="dict"):
            return InputType(any_object(), "dict")
        case LiteralForm():
            return _choice_type(literal_values(form))
        case Plain(symbol=ClassSymbol() as symbol) if model_kind(symbol) is ModelKind.TYPED_DICT:
            return InputType(any_object(), "dict")
        case Plain(symbol=ClassSymbol() as symbol) if is_enum(symbol):
            return _choice_type(enum_values(symbol))
    raise _rejection(form)


def _choice_type(values: list[JsonValue]) -> InputType:
    choices = tuple(value for value in values if value is not None)
    element, type_name = ("str", "string") if isinstance(choices[0], str) else ("int", "integer")
    return InputType({"type": type_name}, element, is_nullable=None in values, choices=choices)


def _rejection(form: TypeForm) -> SchemaError:
    match form:
        case Generic(name=name):
            return unsupported(form, f"{name}[...] is not a supported input type", _HINT)
        case Plain(symbol=External(imported=True) as symbol):
            return unresolvable_import(form, symbol)
        case NoneForm():
            return unresolvable_import(form, External("builtins.None", imported=True))
    return unsupported(form, form.text, _HINT)
