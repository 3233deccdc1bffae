"""`cog predict --url`: a prediction on a running server."""

from collections.abc import Mapping
from typing import Any

from coglet_cli.interrupts import Interrupts, run_interruptible
from coglet_cli.prediction.following import records_command
from coglet_cli.prediction.queue_status import showing_queue
from coglet_cli.prediction.request import predict, submit
from coglet_cli.prediction.result import PredictionResult, show_result
from coglet_cli.prediction.spec import (
    PredictionSpec,
    PredictionValues,
    PredictOptions,
    check_input_flags,
    prediction_spec,
    prediction_values,
)
from coglet_cli.terminal import Terminal


def run_remote_prediction(url: str, options: PredictOptions, terminal: Terminal) -> None:
    """Run a prediction on the server at `url` and show its result. Raises UserError if there is none."""
    check_input_flags(options)
    spec = prediction_spec(_fetch_document(url), options)
    show_result(_predict(url, spec, terminal), spec.output, terminal)


def submit_remote_prediction(url: str, options: PredictOptions, terminal: Terminal) -> None:
    """Create a prediction on the server at `url` and print its id. Raises UserError if it is rejected."""
    check_input_flags(options)
    values = prediction_values(_fetch_document(url), options)
    _submit(url, values, terminal)
    print(values.id, flush=True)
    terminal.info(f"Follow it with: {records_command(values.id, url)} -f")


def _fetch_document(url: str) -> Mapping[str, Any]:
    async def fetch(_: Interrupts) -> Mapping[str, Any]:
        from coglet_cli.server.client import ModelClient

        async with ModelClient(url) as client:
            return await client.document()

    return run_interruptible(fetch)


def _submit(url: str, values: PredictionValues, terminal: Terminal) -> None:
    async def run(_: Interrupts) -> None:
        from coglet_cli.server.client import ModelClient

        async with ModelClient(url) as client:
            await submit(client, values, terminal)

    run_interruptible(run)


def _predict(url: str, spec: PredictionSpec, terminal: Terminal) -> PredictionResult:
    """Run the prediction and return its result. Ctrl-C cancels it on the server, which keeps running."""

    async def run(_: Interrupts) -> PredictionResult:
        from coglet_cli.server.records import RecordClient

        async with RecordClient(url) as client:
            work = predict(client, spec, terminal)
            return await showing_queue(client, spec.values.id, terminal, work)

    return run_interruptible(run)
