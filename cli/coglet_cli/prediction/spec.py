"""A prediction before it runs: its validated inputs, and the destination of its output."""

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from coglet_cli.errors import UserError
from coglet_cli.formats.model_schema import InputSchema, read_input_schema
from coglet_cli.inputs.arguments import inputs_from_json, inputs_from_pairs
from coglet_cli.outputs.spec import OutputSpec, output_spec

_TOKEN: Final = "REPLICATE_API_TOKEN"


@dataclass(frozen=True)
class PredictOptions:
    """The flags of `cog predict` that do not depend on where the model runs."""

    inputs: Sequence[str] = field(default_factory=tuple)
    json: str | None = None
    output: str | None = None
    setup_timeout_s: float = 300.0
    use_replicate_token: bool = False
    is_training: bool = False
    priority: int | None = None


@dataclass(frozen=True)
class PredictionValues:
    """What to send to the server; `priority` is None for its default, `id` is ours and unique."""

    input: Mapping[str, Any]
    context: Mapping[str, str]
    is_training: bool = False
    priority: int | None = None
    id: str = field(default_factory=lambda: f"cog-{uuid.uuid4().hex}")


@dataclass(frozen=True)
class PredictionSpec:
    """One prediction: what to send to the server, and how to show the output."""

    values: PredictionValues
    output: OutputSpec


def check_input_flags(options: PredictOptions) -> None:
    """Raise UserError if both `--json` and `-i` are given."""
    if options.json is not None and options.inputs:
        raise UserError("Must use one of --json or --input to provide model inputs")


def reads_stdin(options: PredictOptions) -> bool:
    """Return True if an input is read from stdin."""
    return options.json == "-" or any(pair.partition("=")[2] == "@-" for pair in options.inputs)


def prediction_spec(document: Mapping[str, Any], options: PredictOptions) -> PredictionSpec:
    """Validate the inputs against the model's OpenAPI document. Raises UserError if they are invalid."""
    values = prediction_values(document, options)
    as_json = options.json is not None
    return PredictionSpec(
        values, output_spec(document, options.output, as_json=as_json, is_training=options.is_training)
    )


def prediction_values(document: Mapping[str, Any], options: PredictOptions) -> PredictionValues:
    """Return what to send, validated as in `prediction_spec`."""
    return PredictionValues(
        _read_inputs(options, read_input_schema(document, is_training=options.is_training)),
        _context(options, os.environ),
        options.is_training,
        options.priority,
    )


def _read_inputs(options: PredictOptions, schema: InputSchema) -> dict[str, Any]:
    if options.json is not None:
        return inputs_from_json(options.json, schema)
    return inputs_from_pairs(options.inputs, schema)


def _context(options: PredictOptions, environ: Mapping[str, str]) -> dict[str, str]:
    if not options.use_replicate_token:
        return {}
    token = environ.get(_TOKEN)
    if not token:
        raise UserError(
            f"Failed to find {_TOKEN} in the current environment when called with --use-replicate-token"
        )
    return {"replicate_api_token": token}
