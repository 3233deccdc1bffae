"""Which types an output may have, and their JSON Schema."""

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
from coglet_schema.errors import ErrorKind, SchemaError
from coglet_schema.models import Field, errors_of_field, model_fields, model_kind
from coglet_schema.names import ClassSymbol, External
from coglet_schema.simple_types import any_object, simple_schema
from coglet_schema.titles import title_of

_ITERATORS: Final = frozenset({"Iterator", "AsyncIterator"})
_TEXT_ITERATORS: Final = frozenset({"ConcatenateIterator", "AsyncConcatenateIterator"})
_HINT: Final = (
    "an output may be a str, int, float, bool, Path, dict, list or Any, an iterator of these, "
    "or a BaseModel, TypedDict or dataclass made of these"
)
_TEXT_HINT: Final = "write `ConcatenateIterator[str]`, or `Iterator[T]` for items that are no text"
ITERATOR_TYPES: Final = _ITERATORS | _TEXT_ITERATORS


def read_output_type(form: TypeForm) -> dict[str, Any]:
    """The schema of what a call returns. Raises SchemaError for what cannot be an output."""
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


# The models that are being described, outermost first; a model inside itself is shown as any object.
_Open = tuple[ClassSymbol, ...]


def _schema(form: TypeForm, open_models: _Open) -> dict[str, Any]:
    match form:
        case Plain(name=name) if schema := simple_schema(name):
            return schema
        case OpaqueForm():
            return any_object()
        case Plain(name="list"):
            return {"type": "array", "items": any_object()}
        case Generic(name="list"):
            return {"type": "array", "items": _only_argument(form, open_models)}
        case Generic(name="dict"):
            return _dict(form, open_models)
        case Plain(symbol=ClassSymbol() as symbol) if model_kind(symbol):
            return _model(symbol, open_models)
    raise _refusal(form)


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
    if symbol in open_models:
        return any_object()
    fields = model_fields(symbol).values()
    properties = {field.name: _field_schema(field, (*open_models, symbol)) for field in fields}
    required = [field.name for field in fields if not field.has_default and not _is_optional(field.form)]
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    return {**schema, "required": required} if required else schema


def _field_schema(field: Field, open_models: _Open) -> dict[str, Any]:
    form, nullable = field.form, {}
    if isinstance(form, Union) and _is_optional(form):
        form, nullable = form.non_null[0], {"nullable": True}
    with errors_of_field(field.name):
        return {**_schema(form, open_models), **nullable, "title": title_of(field.name)}


def _is_optional(form: TypeForm) -> bool:
    return isinstance(form, Union) and form.is_nullable and len(form.non_null) == 1


def _refusal(form: TypeForm) -> SchemaError:
    match form:
        case Union() if _is_optional(form):
            message = "unsupported output type: Optional is not allowed as a return type"
            return SchemaError(ErrorKind.OPTIONAL_OUTPUT, message, form.written.place)
        case Union():
            hint = "annotate `Any`, or return a BaseModel with one optional field per type"
            return unsupported(form, "union types are not supported as output", hint)
        case Generic(name=name):
            return unsupported(form, f"{name}[...] is not a supported output type", _HINT)
        case LiteralForm():
            return unsupported(form, "Literal[...] is not a supported output type", "annotate `str` or `int`")
        case Plain(symbol=External(imported=True) as symbol):
            return unresolvable_import(form, symbol)
    message = (
        f"cannot resolve type '{form.text}' - it is not a primitive type (str, int, float, bool, Path) "
        "and no BaseModel definition was found in the predict file"
    )
    return SchemaError(ErrorKind.UNRESOLVABLE_TYPE, message, form.written.place, _HINT)
