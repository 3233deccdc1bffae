"""Converts the parameters of a function to the inputs of a model."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from coglet_schema.annotations import TypeForm, read_annotation
from coglet_schema.errors import ErrorKind, SchemaError
from coglet_schema.input_calls import UnreadableCall, find_input_call
from coglet_schema.input_metadata import RESTRICTIONS, Metadata, read_default, read_metadata
from coglet_schema.input_types import InputType, read_input_type, restricted_union
from coglet_schema.names import Bound, Scope
from coglet_schema.simple_types import FILE_TYPES
from coglet_schema.syntax.definitions import Function, Parameter, ParameterKind
from coglet_schema.titles import title_of


@dataclass(frozen=True)
class InputField:
    """One input of a model, as JSON Schema."""

    name: str
    # Everything but the reference to the choices.
    keywords: Mapping[str, Any]
    required: bool
    # The component that lists the choices, if there are any.
    enumeration: Mapping[str, Any] | None = None
    is_list: bool = False
    warnings: tuple[str, ...] = ()

    def property_schema(self, component: str) -> dict[str, Any]:
        """Return the schema of the property; `component` is the name of the component of its choices."""
        if self.enumeration is None:
            return dict(self.keywords)
        reference = {"$ref": f"#/components/schemas/{component}"}
        return {**({"items": reference} if self.is_list else {"allOf": [reference]}), **self.keywords}


def read_inputs(function: Function, scope: Scope) -> tuple[InputField, ...]:
    """Return the inputs of `function`, in order. Its defaults are evaluated in `scope`.

    Raises SchemaError for a parameter that cannot be an input.
    """
    fields: list[InputField] = []
    for parameter in function.parameters:
        if _is_input(parameter, function, scope):
            try:
                fields.append(_read_input(parameter, scope, len(fields)))
            except SchemaError as error:
                raise error.at(scope.place(parameter.start)) from None
    return tuple(fields)


def _is_input(parameter: Parameter, function: Function, scope: Scope) -> bool:
    place = scope.place(parameter.start)
    if parameter.name == "self" or (parameter.name == "cls" and parameter.annotation is None):
        return False
    if parameter.kind is not ParameterKind.NAMED:
        if parameter.annotation is None:
            return False
        hint = "name each input as a parameter of its own"
        raise SchemaError(ErrorKind.OTHER, "*args/**kwargs cannot be annotated inputs", place, hint)
    if parameter.annotation is None:
        message = f"parameter '{parameter.name}' on {function.name} has no type annotation"
        hint = f"annotate it, for example `{parameter.name}: str`"
        raise SchemaError(ErrorKind.MISSING_TYPE_ANNOTATION, message, place, hint)
    return True


def _read_input(parameter: Parameter, scope: Scope, order: int) -> InputField:
    assert parameter.annotation is not None
    annotation = Bound(parameter.annotation, scope)
    input_type = read_input_type(read_annotation(annotation))
    metadata = _read_metadata(parameter, scope)
    input_type = _checked(input_type, metadata, parameter.name, annotation)
    default, required = _default(input_type, metadata)
    if default == {"default": None}:
        # Authors write `seed: int = Input(default=None)` for an optional input.
        input_type = input_type.or_null()
    schema = dict(input_type.schema)
    if input_type.choices:  # the component has the type; a list refers to it in `items`
        schema = {"type": "array"} if input_type.is_list else {}
    if input_type.is_list or not input_type.choices:
        schema["title"] = title_of(parameter.name)
    return InputField(
        parameter.name,
        {
            **schema,
            **metadata.keywords,
            **default,
            **({"nullable": True} if input_type.is_nullable else {}),
            "x-order": order,
        },
        required,
        _enumeration(input_type, parameter.name),
        input_type.is_list,
        metadata.warnings,
    )


def _read_metadata(parameter: Parameter, scope: Scope) -> Metadata:
    if parameter.default is None:
        return Metadata()
    default = Bound(parameter.default, scope)
    try:
        arguments = find_input_call(default)
    except UnreadableCall as error:
        message = f"parameter '{parameter.name}': {error}"
        raise SchemaError(ErrorKind.DEFAULT_NOT_RESOLVABLE, message, default.place, error.hint) from None
    if arguments is None:
        notes: list[str] = []
        value = read_default(parameter.name, default, notes)
        warnings = tuple(f"input '{parameter.name}': {note}" for note in notes)
        return Metadata(has_default=True, default=value, warnings=warnings)
    return read_metadata(parameter.name, arguments)


def _checked(input_type: InputType, metadata: Metadata, name: str, annotation: Bound) -> InputType:
    """Return the input type with the choices of `Input(...)`.

    Raises SchemaError if an argument of `Input(...)` is not allowed for the type.
    """
    if input_type.is_union and (metadata.choices or RESTRICTIONS & metadata.keywords.keys()):
        raise restricted_union(TypeForm(annotation))
    if metadata.accept and input_type.element not in FILE_TYPES:
        message = f"accept is only valid on Path or File inputs (parameter '{name}')"
        raise SchemaError(ErrorKind.ACCEPT_ON_NON_FILE_TYPE, message, metadata.accept.place)
    if metadata.choices and input_type.choices:
        message = f"parameter '{name}': choices are given by the type already"
        raise SchemaError(ErrorKind.INVALID_CONSTRAINT, message, annotation.place, "leave out `choices`")
    return replace(input_type, choices=metadata.choices or input_type.choices)


def _default(input_type: InputType, metadata: Metadata) -> tuple[dict[str, Any], bool]:
    """Return the `default` keyword, if any, and whether the input is required."""
    if metadata.has_default:
        return {"default": metadata.default}, False
    return {}, input_type.is_union or not input_type.is_nullable


def _enumeration(input_type: InputType, name: str) -> dict[str, Any] | None:
    if not input_type.choices:
        return None
    item = input_type.schema["items"] if input_type.is_list else input_type.schema
    values = list(input_type.choices)
    return {"title": name, "description": "An enumeration.", "enum": values, "type": item["type"]}
