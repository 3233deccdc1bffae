"""What `cog predict` does: refuse bad inputs before anything starts, ask the model, show the answer."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from coglet_cli.asking import Answer, LocalAsker, Question, ask_running, fetch_document
from coglet_cli.errors import UserError
from coglet_cli.inputs.arguments import inputs_from_json, inputs_from_pairs
from coglet_cli.local_model import LocalOptions, load_local_model
from coglet_cli.model_schema import InputSchema, read_input_schema, read_output_schema
from coglet_cli.outputs.presentation import present, present_json, raise_for_status
from coglet_cli.outputs.target import choose_target
from coglet_cli.schema_source import prepare_schema
from coglet_cli.terminal import Terminal

_TOKEN: Final = "REPLICATE_API_TOKEN"


@dataclass(frozen=True)
class PredictOptions:
    """The flags of `cog predict`."""

    local: LocalOptions
    inputs: Sequence[str] = field(default_factory=tuple)
    json: str | None = None
    output: str | None = None
    setup_timeout_s: float = 300.0
    url: str | None = None
    use_replicate_token: bool = False


def refuse_arguments(arguments: Sequence[str]) -> None:
    """Raises UserError for what stands where an image name would, and was meant as an input or a command."""
    if not arguments:
        return
    first = arguments[0]
    if "=" in first:
        raise UserError(f"Invalid image name '{first}'. Did you forget `-i`?")
    raise UserError(
        f"accepts no arguments, received {len(arguments)}: {' '.join(arguments)}",
        hint="inputs are given as -i name=value",
    )


def run_prediction(options: PredictOptions, terminal: Terminal) -> None:
    """The whole command. Raises UserError when there is no result to show."""
    if options.json is not None and options.inputs:
        raise UserError("Must use one of --json or --input to provide model inputs")
    if options.url is not None:
        question = _prepare(fetch_document(options.url), options)
        answer = ask_running(options.url, question, terminal)
    else:
        model = load_local_model(options.local.file, terminal)
        question = _prepare(prepare_schema(model.project, model.config, terminal), options)
        answer = LocalAsker(model, options.local, options.setup_timeout_s, terminal).ask(question)
    _show(answer, question, terminal)


def _prepare(document: Mapping[str, Any], options: PredictOptions) -> Question:
    output = read_output_schema(document)
    as_json = options.json is not None
    return Question(
        _read_inputs(options, read_input_schema(document)),
        _context(options, os.environ),
        output,
        choose_target(options.output, as_json=as_json, may_hold_files=output.may_hold_files),
        as_json,
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


def _show(answer: Answer, question: Question, terminal: Terminal) -> None:
    if answer.is_shown:
        raise_for_status(answer.reply)
    elif question.as_json:
        present_json(answer.reply, question.output, question.target, terminal)
    else:
        present(answer.reply, question.output, question.target, terminal)
