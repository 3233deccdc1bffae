"""The result of a prediction, and how it is shown."""

from dataclasses import dataclass

from coglet_cli.outputs.presentation import Reply, present, present_json, raise_for_status
from coglet_cli.outputs.spec import OutputSpec
from coglet_cli.terminal import Terminal


@dataclass(frozen=True)
class PredictionResult:
    """The final state of a prediction; `is_shown` if its output was already printed."""

    reply: Reply
    is_shown: bool = False


def show_result(result: PredictionResult, output: OutputSpec, terminal: Terminal) -> None:
    """Print or write the output. Raises UserError if the prediction did not succeed."""
    if result.is_shown:
        raise_for_status(result.reply)
    elif output.as_json:
        present_json(result.reply, output.schema, output.target, terminal)
    else:
        present(result.reply, output.schema, output.target, terminal)
