"""Reads a predictor at run time, strictly, and checks values against it. For tools and tests."""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from importlib import import_module
from typing import Any, get_args, get_origin, get_type_hints

from cog._adt import (
    UNION_ORIGINS,
    InputField,
    NoneType,
    OutputKind,
    OutputType,
    PredictorInfo,
    PrimitiveType,
    field_type,
    strip_annotated,
    type_name,
)
from cog._runner import method_owner
from cog._values import check_value
from cog.input import FieldInfo
from cog.model import BaseModel
from cog.types import AsyncConcatenateIterator, ConcatenateIterator, File

_KINDS_REFUSED = {
    inspect.Parameter.VAR_POSITIONAL: "*args",
    inspect.Parameter.VAR_KEYWORD: "**kwargs",
    inspect.Parameter.KEYWORD_ONLY: "keyword-only args",
}
_CONCATENATE_ITERATORS = (ConcatenateIterator, AsyncConcatenateIterator)


def create_predictor(module_name: str, predictor_name: str) -> PredictorInfo:
    """Describes `predictor_name`, a class or a function of an importable module.

    Raises ImportError when it is not there and ValueError with the first rule that it breaks.
    """
    full_name = f"{module_name}.{predictor_name}"
    predictor = getattr(import_module(module_name), predictor_name, None)
    if predictor is None:
        raise ImportError(
            f"predictor {predictor_name} not found in {module_name} (module may have import errors)"
        )
    if inspect.isclass(predictor):
        _check_setup(predictor)
        signature = _signature(_main_method(predictor, full_name), is_method=True)
    elif inspect.isfunction(predictor):
        signature = _signature(predictor, is_method=False)
    else:
        raise ValueError(f"invalid predictor {full_name}")
    fields = [_input_field(order, p) for order, p in enumerate(signature.parameters.values())]
    output = _output_type(signature.return_annotation)
    return PredictorInfo(module_name, predictor_name, {field.name: field for field in fields}, output)


def check_input(inputs: dict[str, InputField], values: dict[str, Any]) -> dict[str, Any]:
    """Turns JSON values into arguments, defaults included. Raises ValueError for the first that does not fit.

    An unknown name is left out with a warning on stderr.
    """
    for name in values.keys() - inputs.keys():
        sys.stderr.write(f"WARNING unknown input field ignored: {name}\n")
    arguments = {}
    for name, field in inputs.items():
        if name in values:
            arguments[name] = check_value(field, values[name])
        elif field.default is None and not field.type.optional:
            raise ValueError(f"{name}: Field required")
        else:
            arguments[name] = field.default
    return arguments


def _check_setup(predictor: type) -> None:
    if method_owner(predictor, "setup") is None:
        if not callable(getattr(predictor, "setup", print)):
            raise ValueError("setup is not a function")
        return
    signature = inspect.signature(predictor.setup, eval_str=True)  # type: ignore[attr-defined]
    names = list(signature.parameters)
    if names[:1] != ["self"]:
        raise ValueError("setup() must have 'self' as first argument")
    unexpected = [name for name in names[1:] if name != "weights"]
    if unexpected:
        raise ValueError(f"unexpected setup() arguments: {', '.join(unexpected)}")
    if signature.return_annotation not in (None, NoneType, signature.empty):
        raise ValueError("setup() must return None")


def _main_method(predictor: type, full_name: str) -> Any:
    names = [name for name in ("run", "predict") if method_owner(predictor, name)]
    if len(names) == 2:
        raise ValueError(f"{full_name} must define either run() or predict(), not both")
    if not names:
        raise ValueError(f"run or predict method not found: {full_name}")
    return getattr(predictor, names[0])


def _signature(function: Any, *, is_method: bool) -> inspect.Signature:
    """The signature without `self`, annotations resolved; checks what holds for every predictor."""
    signature = inspect.signature(function, eval_str=True)
    parameters = list(signature.parameters.values())
    name = function.__name__
    if is_method:
        if not parameters or parameters[0].name != "self":
            raise ValueError(f"{name}() must have 'self' as first argument")
        parameters = parameters[1:]
    for parameter in parameters:
        if parameter.kind in _KINDS_REFUSED:
            raise ValueError(f"{name}() must not have {_KINDS_REFUSED[parameter.kind]}")
    if signature.return_annotation in (None, signature.empty):
        raise ValueError(f"{name}() must have a return type annotation")
    for parameter in parameters:
        if parameter.annotation is parameter.empty:
            raise ValueError(f"missing type annotation for input: {parameter.name}")
    return signature.replace(parameters=parameters)


def _input_field(order: int, parameter: inspect.Parameter) -> InputField:
    name = parameter.name
    try:
        type_ = field_type(parameter.annotation)
    except ValueError as error:
        raise ValueError(f"invalid input field {name}: {error}") from error
    info = parameter.default
    if not isinstance(info, FieldInfo):
        info = FieldInfo(default=None if info is parameter.empty else info)
    choices = info.choices if info.choices is not None else type_.choices or None
    field = InputField(
        name=name,
        order=order,
        type=type_,
        default=info.default,
        description=info.description,
        ge=info.ge,
        le=info.le,
        min_length=info.min_length,
        max_length=info.max_length,
        regex=info.regex,
        choices=None if choices is None else tuple(choices),
        deprecated=info.deprecated,
    )
    where = f"{name}: {type_name(parameter.annotation)}"
    _check_limits(field, where)
    return replace(field, default=_checked_default(field, where))


def _check_limits(field: InputField, where: str) -> None:
    """Checks that the limits go with the type and with each other."""
    primitive = field.type.primitive
    numeric = field.ge is not None or field.le is not None
    lengths = field.min_length is not None or field.max_length is not None
    for given, name, allowed in (
        (numeric, "ge/le", {PrimitiveType.INTEGER, PrimitiveType.FLOAT}),
        (lengths, "min_length/max_length", {PrimitiveType.STRING}),
        (field.regex is not None, "regex", {PrimitiveType.STRING}),
        (field.choices is not None, "choices", {PrimitiveType.INTEGER, PrimitiveType.STRING}),
    ):
        if given and primitive not in allowed:
            raise ValueError(f"incompatible input type for {name}: {where}")
        if given and field.choices is not None and name in ("ge/le", "min_length/max_length"):
            raise ValueError(f"choices and {name} are mutually exclusive: {where}")
    if field.choices is not None:
        _check_choices(field.choices, primitive, where)


def _check_choices(choices: tuple[str | int, ...], primitive: PrimitiveType, where: str) -> None:
    if len(choices) < 2:
        raise ValueError(f"choices={list(choices)!r} must have >= 2 elements: {where}")
    if any(type(choice).__name__ != primitive.value for choice in choices):
        raise ValueError(f"not all choices have the same type as input: {where}")


def _checked_default(field: InputField, where: str) -> Any:
    if field.default is None:
        return None
    try:
        return check_value(field, field.default)
    except ValueError as error:
        raise ValueError(f"invalid default for {where}: {error}") from error


def _output_type(annotation: Any) -> OutputType:
    annotation = strip_annotated(annotation)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in UNION_ORIGINS and NoneType in args:
        raise ValueError("output must not be Optional")
    base = origin or annotation
    # A File counts as an iterator too: it has the methods of one.
    if inspect.isclass(base) and base is not File and issubclass(base, (Iterator, AsyncIterator)):
        return _iterator_output(base, args)
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        hints = get_type_hints(annotation, include_extras=True)
        return OutputType(OutputKind.OBJECT, fields={name: field_type(hint) for name, hint in hints.items()})
    if annotation is Any:
        sys.stderr.write("Warning: use of Any as output type is error-prone and highly discouraged\n")
    type_ = field_type(annotation)
    return OutputType(OutputKind.LIST if type_.repeated else OutputKind.SINGLE, type_.primitive)


def _iterator_output(iterator: type, args: tuple[Any, ...]) -> OutputType:
    if not args:
        raise ValueError("iterator type must have a type argument")
    if issubclass(iterator, _CONCATENATE_ITERATORS):
        if args[0] is not str:
            raise ValueError(f"{iterator.__name__} must have str element")
        return OutputType(OutputKind.CONCAT_ITERATOR, PrimitiveType.STRING)
    element = field_type(args[0])
    if element.optional or element.repeated:
        raise ValueError("iterator element type must not be Optional or List")
    return OutputType(OutputKind.ITERATOR, element.primitive)
