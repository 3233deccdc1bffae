"""The types that an output may have, and their JSON Schema."""

import json
from typing import Any, Final

from coglet_schema.annotations import (
    Generic,
    LiteralForm,
    NoneForm,
    OpaqueForm,
    Plain,
    TypeForm,
    Union,
    read_annotation,
    unresolvable_import,
    unsupported,
)
from coglet_schema.enumerations import enum_schema, literal_schema
from coglet_schema.errors import ErrorKind, SchemaError
from coglet_schema.field_defaults import with_default
from coglet_schema.library_types import is_of_pydantic, library_schema
from coglet_schema.models import Field, ModelKind, errors_of_field, model_fields, model_kind
from coglet_schema.names import Bound, ClassSymbol, External, ValueSymbol, resolve
from coglet_schema.simple_types import any_object, simple_schema
from coglet_schema.syntax.expressions import Call, Dots
from coglet_schema.titles import title_of

_ITERATORS: Final = frozenset({"Iterator", "AsyncIterator"})
_TEXT_ITERATORS: Final = frozenset({"ConcatenateIterator", "AsyncConcatenateIterator"})
_SETS: Final = frozenset({"set", "Set", "frozenset", "FrozenSet"})
_TUPLES: Final = frozenset({"tuple", "Tuple"})
# Functions of pydantic that make collection types, and the kind of collection.
_MADE_LISTS: Final = {"conlist": "list", "conset": "set", "confrozenset": "set"}
_HINT: Final = (
    "an output may be a str, int, float, bool, Path, Enum, datetime, dict, list, set, tuple or Any, "
    "an iterator of these, or a BaseModel, TypedDict, NamedTuple or dataclass made of these"
)
_TEXT_HINT: Final = "write `ConcatenateIterator[str]`, or `Iterator[T]` for items that are not text"
ITERATOR_TYPES: Final = _ITERATORS | _TEXT_ITERATORS


def read_output_type(form: TypeForm) -> dict[str, Any]:
    """Return the schema of a return annotation. Raises SchemaError if it is not allowed for an output."""
    match form:
        case NoneForm():
            message = "-> None is not a valid output; return a value or annotate Any"
            raise SchemaError(ErrorKind.UNSUPPORTED_TYPE, message, form.written.place)
        case Generic(name=name) if name in _ITERATORS:
            schema = {"type": "array", "items": _only_argument(form, ()), "x-cog-array-type": "iterator"}
        case Generic(name=name) if name in _TEXT_ITERATORS:
            schema = _text_iterator(form)
        case _:
            schema = _schema(form, ())
    return {**schema, "title": "Output"}


def _text_iterator(form: Generic) -> dict[str, Any]:
    match form.arguments:
        case (Plain(name="str"),):
            return {
                "type": "array",
                "items": {"type": "string"},
                "x-cog-array-type": "iterator",
                "x-cog-array-display": "concatenate",
            }
        case (Plain() | NoneForm() as element,):
            message = f"{form.name} element type must be str, got {element.text}"
            raise SchemaError(ErrorKind.CONCAT_ITERATOR_NOT_STR, message, element.written.place)
        case (element,):
            raise unsupported(element, f"{form.name} element type must be a simple type", _TEXT_HINT)
    raise unsupported(form, f"{form.name} expects exactly 1 type argument", _TEXT_HINT)


# The models that are being described, outermost first; a model inside itself is described as any object.
_Open = tuple[ClassSymbol, ...]


def _schema(form: TypeForm, open_models: _Open) -> dict[str, Any]:
    match form:
        case OpaqueForm():
            return any_object()
        case LiteralForm():
            return literal_schema(form)
        case Plain():
            schema = simple_schema(form.name) or _named(form, open_models)
        case Generic():
            schema = _with_arguments(form, open_models)
        case _:
            schema = None
    if schema is None:
        schema = _made_by_pydantic(form, open_models)
    if schema is None:
        raise _rejection(form)
    return schema


def _with_arguments(form: Generic, open_models: _Open) -> dict[str, Any] | None:
    match form.name:
        case "list":
            return _array(_only_argument(form, open_models))
        case "dict":
            return _dict(form, open_models)
        case name if name in _SETS:
            return _set(_only_argument(form, open_models))
        case name if name in _TUPLES:
            return _tuple(form, open_models)
    return None


def _named(form: Plain, open_models: _Open) -> dict[str, Any] | None:
    """Return the schema of a name other than a simple type; None if it is not an output type."""
    match form.symbol:
        case ClassSymbol() as symbol:
            return _model(symbol, open_models) if model_kind(symbol) else enum_schema(symbol)
        case External() as symbol if schema := library_schema(symbol):
            return schema
    if form.name == "list":
        return _array(any_object())
    if form.name in _SETS:
        return _set({})
    return _array({}) if form.name in _TUPLES else None


def _made_by_pydantic(form: TypeForm, open_models: _Open) -> dict[str, Any] | None:
    """Return the schema of `constr(...)` and similar calls, written directly or assigned to a name."""
    symbol = resolve(form.written)
    written = symbol.value if isinstance(symbol, ValueSymbol) else form.written
    if not isinstance(written.expression, Call):
        return None
    call = written.expression
    function = resolve(written.with_(call.function))
    if not isinstance(function, External) or not is_of_pydantic(function):
        return None
    kind = _MADE_LISTS.get(function.name)
    item = call.positional[0] if call.positional else call.keywords.get("item_type")
    if kind is None or item is None:
        return library_schema(function)
    items = _schema(read_annotation(written.with_(item)), open_models)
    return _set(items) if kind == "set" else _array(items)


def _array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _set(items: dict[str, Any]) -> dict[str, Any]:
    return {**_array(items), "uniqueItems": True}


def _tuple(form: Generic, open_models: _Open) -> dict[str, Any]:
    match form.arguments:
        case (item, TypeForm(written=Bound(expression=Dots()))):
            return _array(_schema(item, open_models))
    return _row([_schema(argument, open_models) for argument in form.arguments])


def _row(items: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the schema of an array with one item per schema; OpenAPI 3.0 cannot express their order."""
    different = list({json.dumps(item, sort_keys=True): item for item in items}.values())
    one = different[0] if len(different) == 1 else {"anyOf": different} if different else {}
    return {**_array(one), "minItems": len(items), "maxItems": len(items)}


def _only_argument(form: Generic, open_models: _Open) -> dict[str, Any]:
    if len(form.arguments) != 1:
        raise unsupported(form, f"{form.name} expects exactly 1 type argument", f"write `{form.name}[T]`")
    return _schema(form.arguments[0], open_models)


def _dict(form: Generic, open_models: _Open) -> dict[str, Any]:
    if len(form.arguments) != 2:
        raise unsupported(form, "dict expects 0 or 2 type arguments", "write `dict[str, T]` or `dict`")
    try:
        values = _schema(form.arguments[1], open_models)
    except SchemaError as error:
        raise error.prefixed("resolving dict value type: ") from None
    return {"type": "object", "additionalProperties": values}


def _model(symbol: ClassSymbol, open_models: _Open) -> dict[str, Any]:
    is_tuple = model_kind(symbol) is ModelKind.NAMED_TUPLE
    if symbol in open_models:
        return _array({}) if is_tuple else any_object()
    fields = model_fields(symbol).values()
    inside = (*open_models, symbol)
    if is_tuple:
        return _row([_nullable_schema(field, inside) for field in fields])
    properties = {
        field.name: {
            **with_default(_nullable_schema(field, inside), field.default),
            "title": title_of(field.name),
        }
        for field in fields
    }
    required = [field.name for field in fields if not field.has_default and not _is_optional(field.form)]
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    return {**schema, "required": required} if required else schema


def _nullable_schema(field: Field, open_models: _Open) -> dict[str, Any]:
    form, nullable = field.form, {}
    if isinstance(form, Union) and _is_optional(form):
        form, nullable = form.non_null[0], {"nullable": True}
    with errors_of_field(field.name):
        return {**_schema(form, open_models), **nullable}


def _is_optional(form: TypeForm) -> bool:
    return isinstance(form, Union) and form.is_nullable and len(form.non_null) == 1


def _rejection(form: TypeForm) -> SchemaError:
    match form:
        case Union() if _is_optional(form):
            message = "unsupported output type: Optional is not allowed as a return type"
            return SchemaError(ErrorKind.OPTIONAL_OUTPUT, message, form.written.place)
        case Union():
            hint = "annotate `Any`, or return a BaseModel with one optional field per type"
            return unsupported(form, "union types are not supported as output", hint)
        case Generic(name=name):
            return unsupported(form, f"{name}[...] is not a supported output type", _HINT)
        case Plain(symbol=External(imported=True) as symbol):
            return unresolvable_import(form, symbol)
    message = (
        f"cannot resolve type '{form.text}' - it is not a primitive type (str, int, float, bool, Path) "
        "and no BaseModel definition was found in the predict file"
    )
    return SchemaError(ErrorKind.UNRESOLVABLE_TYPE, message, form.written.place, _HINT)
