"""What `cog predict` does: refuse bad inputs before anything starts, ask the model, show the answer."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from coglet_cli.asking import Answer, LocalAsker, Question, ask_running, fetch_document
from coglet_cli.errors import UserError
from coglet_cli.inputs.arguments import inputs_from_json, inputs_from_pairs
from coglet_cli.local_model import LocalOptions, load_local_model, with_interpreter
from coglet_cli.model_schema import InputSchema, read_input_schema, read_output_schema
from coglet_cli.outputs.presentation import present, present_json, raise_for_status
from coglet_cli.outputs.target import choose_target
from coglet_cli.schema_source import prepare_schema
from coglet_cli.terminal import Terminal

if TYPE_CHECKING:
    from coglet_cli.docker_model import DockerOptions

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
    is_training: bool = False


def image_argument(arguments: Sequence[str]) -> str | None:
    """The one image that is named. Raises UserError for what was meant as an input or a command."""
    if not arguments:
        return None
    if "=" in arguments[0]:
        raise UserError(f"Invalid image name '{arguments[0]}'. Did you forget `-i`?")
    if len(arguments) > 1:
        raise UserError(
            f"accepts at most 1 arg(s), received {len(arguments)}",
            hint=f'did you mean "cog exec {" ".join(arguments)}"?',
        )
    return arguments[0]


def run_prediction(options: PredictOptions, terminal: Terminal) -> None:
    """`cog predict` without a container. Raises UserError when there is no result to show."""
    _refuse_two_sources(options)
    if options.url is not None:
        question = _prepare(fetch_document(options.url), options)
        answer = ask_running(options.url, question, terminal)
    else:
        model = load_local_model(options.local.file, terminal)
        if options.is_training and model.config.train is None:
            raise UserError(
                "cog.yaml names no training",
                hint='add it to cog.yaml, for example `train: "train.py:train"`',
            )
        question = _prepare(prepare_schema(model.project, model.config, terminal), options)
        local = with_interpreter(model, options.local, terminal)
        answer = LocalAsker(model, local, options.setup_timeout_s, terminal).ask(question)
    _show(answer, question, terminal)


def run_docker_prediction(options: PredictOptions, docker: "DockerOptions", terminal: Terminal) -> None:
    """`cog predict` with a container: of an image, or of one made for the current folder."""
    from coglet_cli.docker_asking import DockerAsker
    from coglet_cli.docker_model import build_model, find_image
    from coglet_cli.engine.client import Engine

    _refuse_two_sources(options)
    if docker.image is not None:
        engine = Engine.connect()
        model = find_image(engine, docker.image, docker.flags, terminal)
    else:
        local = load_local_model(options.local.file, terminal)
        document = prepare_schema(local.project, local.config, terminal)
        _prepare(document, options)  # wrong inputs are told before a build of minutes
        engine = Engine.connect()
        model = build_model(engine, local, docker.flags, document, terminal)
    arguments = ["--x-mode", "train"] if options.is_training else []
    asker = DockerAsker(engine, model, docker, options.setup_timeout_s)
    answer, question = asker.ask(lambda document: _prepare(document, options), terminal, arguments)
    _show(answer, question, terminal)


def _refuse_two_sources(options: PredictOptions) -> None:
    if options.json is not None and options.inputs:
        raise UserError("Must use one of --json or --input to provide model inputs")


def _prepare(document: Mapping[str, Any], options: PredictOptions) -> Question:
    output = read_output_schema(document, is_training=options.is_training)
    as_json = options.json is not None
    return Question(
        _read_inputs(options, read_input_schema(document, is_training=options.is_training)),
        _context(options, os.environ),
        output,
        choose_target(options.output, as_json=as_json, may_hold_files=output.may_hold_files),
        as_json,
        options.is_training,
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
