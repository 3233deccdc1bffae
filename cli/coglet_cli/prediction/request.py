"""One prediction on a server: the request, its streamed output, and its cancelation."""

import asyncio
from typing import TYPE_CHECKING

from coglet_cli.prediction.result import PredictionResult
from coglet_cli.prediction.spec import PredictionSpec, PredictionValues
from coglet_cli.server.running import RunningServer
from coglet_cli.terminal import Terminal

if TYPE_CHECKING:
    from coglet_cli.server.client import ModelClient, PredictionRequest


async def predict_when_ready(
    server: RunningServer, spec: PredictionSpec, setup_timeout_s: float, terminal: Terminal
) -> PredictionResult:
    """Wait until the model of a newly started server is ready, then run the prediction.

    Raises UserError if the setup fails or times out, the server exits, or the request fails.
    """
    # Imported while the server starts, which takes longer.
    from coglet_cli.server.client import ConnectionLost, ModelClient
    from coglet_cli.server.readiness import wait_set_up_within

    async with ModelClient(server.address.url) as client:
        await wait_set_up_within(setup_timeout_s, server, client)
        terminal.info("Running training..." if spec.values.is_training else "Running prediction...")
        try:
            return await predict(client, spec, terminal)
        except ConnectionLost:
            await server.explain_loss()
            raise


async def predict(client: "ModelClient", spec: PredictionSpec, terminal: Terminal) -> PredictionResult:
    """Run the prediction on a server that is ready. Cancels it there if this task is canceled."""
    request = _request(spec.values)
    try:
        if not spec.output.shows_chunks:
            return PredictionResult(await client.predict(request))
        return await _follow(client, request, terminal)
    except asyncio.CancelledError:
        terminal.info("Canceling the prediction...")
        await client.cancel(request)
        raise


async def submit(client: "ModelClient", values: PredictionValues, terminal: Terminal) -> None:
    """Create a prediction, which then runs on the server. Raises UserError if it is rejected."""
    request = _request(values)
    try:
        await client.submit(request)
    except asyncio.CancelledError:
        # It may have been created, and the user does not know its id.
        terminal.info("Canceling the prediction...")
        await client.cancel(request)
        raise


def _request(values: PredictionValues) -> "PredictionRequest":
    from coglet_cli.server.client import PredictionRequest

    return PredictionRequest(values.id, values.input, values.context, values.is_training, values.priority)


async def _follow(
    client: "ModelClient", request: "PredictionRequest", terminal: Terminal
) -> PredictionResult:
    has_chunks = False

    def show(chunk: object) -> None:
        nonlocal has_chunks
        has_chunks = True
        terminal.chunk(str(chunk))

    reply = await client.predict_streaming(request, show)
    if has_chunks and reply.get("status") == "succeeded":
        terminal.end_chunks()
    return PredictionResult(reply, is_shown=has_chunks)
