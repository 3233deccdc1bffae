"""`cog predict --url`: a prediction on a server that runs already."""

from collections.abc import Mapping
from typing import Any

from coglet_cli.interrupts import Interrupts, run_interruptible
from coglet_cli.prediction.request import predict
from coglet_cli.prediction.result import PredictionResult, show_result
from coglet_cli.prediction.spec import PredictionSpec, PredictOptions, check_input_flags, prediction_spec
from coglet_cli.terminal import Terminal


def run_remote_prediction(url: str, options: PredictOptions, terminal: Terminal) -> None:
    """Runs a prediction on the server at `url`. Raises UserError when there is no result to show."""
    check_input_flags(options)
    spec = prediction_spec(_fetch_document(url), options)
    show_result(_predict(url, spec, terminal), spec, terminal)


def _fetch_document(url: str) -> Mapping[str, Any]:
    async def fetch(_: Interrupts) -> Mapping[str, Any]:
        from coglet_cli.server.client import ModelClient

        async with ModelClient(url) as client:
            return await client.document()

    return run_interruptible(fetch)


def _predict(url: str, spec: PredictionSpec, terminal: Terminal) -> PredictionResult:
    """The result. Ctrl-C cancels the prediction there and leaves the server alone."""

    async def run(_: Interrupts) -> PredictionResult:
        from coglet_cli.server.client import ModelClient

        async with ModelClient(url) as client:
            return await predict(client, spec, terminal)

    return run_interruptible(run)
