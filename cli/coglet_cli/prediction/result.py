"""The result of a prediction, and how it is shown."""

from dataclasses import dataclass

from coglet_cli.outputs.presentation import Reply, present, present_json, raise_for_status
from coglet_cli.prediction.spec import PredictionSpec
from coglet_cli.terminal import Terminal


@dataclass(frozen=True)
class PredictionResult:
    """The final state of a prediction; `is_shown` if its output was already printed."""

    reply: Reply
    is_shown: bool = False


def show_result(result: PredictionResult, spec: PredictionSpec, terminal: Terminal) -> None:
    """Print or write the output. Raises UserError if the prediction did not succeed."""
    if result.is_shown:
        raise_for_status(result.reply)
    elif spec.as_json:
        present_json(result.reply, spec.output, spec.target, terminal)
    else:
        present(result.reply, spec.output, spec.target, terminal)
