"""The facts about one model, read from its source."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coglet_schema.annotations import read_annotation
from coglet_schema.decorators import concurrency_max, reject_input_decorators, supports_streaming
from coglet_schema.errors import ErrorKind, Place, SchemaError
from coglet_schema.inputs import InputField, read_inputs
from coglet_schema.names import Bound
from coglet_schema.output_types import read_output_type
from coglet_schema.project import Project
from coglet_schema.target import Mode, Target, find_target, split_reference


@dataclass(frozen=True)
class PredictorInfo:
    """The facts about a model that can be read without running it."""

    mode: Mode
    # The class the reference names; None for a function.
    class_name: str | None
    inputs: tuple[InputField, ...]
    # JSON Schema of what a call returns.
    output: Mapping[str, Any]
    is_async: bool
    # Whether it is marked `@streaming`.
    supports_streaming: bool
    # The number in `@concurrent`; None without the decorator.
    concurrency_max: int | None
    # Sentences for the model's author about code that works but should be changed.
    warnings: tuple[str, ...]


def read_predictor(project: Project, ref: str, mode: Mode) -> PredictorInfo:
    """Read the predictor that `ref` names. Raises SchemaError if that cannot be converted to a schema."""
    file, name = split_reference(ref)
    try:
        return _describe(find_target(project.open(file), name, mode), mode)
    except RecursionError:
        # Excessively nested source: bases of bases, models in models, operators without brackets.
        message = f"{name} is nested too deeply to be analyzed"
        hint = "annotate deep structures as `dict` or `Any`"
        raise SchemaError(ErrorKind.OTHER, message, Place(file, 1, 1), hint) from None


def _describe(target: Target, mode: Mode) -> PredictorInfo:
    function, scope = target.function, target.scope
    reject_input_decorators(function, scope)
    inputs = read_inputs(function, scope)
    if function.returns is None:
        message = f"missing return type annotation on {function.name}"
        raise SchemaError(ErrorKind.MISSING_RETURN_TYPE, message, scope.place(function.start))
    output = read_annotation(Bound(function.returns, scope))
    try:
        output_schema = read_output_type(output)
    except SchemaError as error:
        raise error.at(output.written.place) from None
    return PredictorInfo(
        mode=mode,
        class_name=target.class_name,
        inputs=inputs,
        output=output_schema,
        is_async=function.is_async,
        supports_streaming=mode == "predict" and supports_streaming(function, scope, output),
        concurrency_max=concurrency_max(function, scope),
        warnings=target.warnings + tuple(text for field in inputs for text in field.warnings),
    )
