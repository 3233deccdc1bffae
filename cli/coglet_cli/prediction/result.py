"""The end of a prediction, and how it is shown."""

from dataclasses import dataclass

from coglet_cli.outputs.presentation import Reply, present, present_json, raise_for_status
from coglet_cli.prediction.spec import PredictionSpec
from coglet_cli.terminal import Terminal


@dataclass(frozen=True)
class PredictionResult:
    """The last state of a prediction; `is_shown` when its output stands on stdout already."""

    reply: Reply
    is_shown: bool = False


def show_result(result: PredictionResult, spec: PredictionSpec, terminal: Terminal) -> None:
    """Prints or writes the output. Raises UserError when the prediction did not succeed."""
    if result.is_shown:
        raise_for_status(result.reply)
    elif spec.as_json:
        present_json(result.reply, spec.output, spec.target, terminal)
    else:
        present(result.reply, spec.output, spec.target, terminal)
