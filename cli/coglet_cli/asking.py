"""One question to a model: one that is started for it and stopped after it, or one that runs already."""

import asyncio
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from coglet_cli.interrupts import Interrupts, run_interruptible
from coglet_cli.local_model import LocalModel, LocalOptions, server_command
from coglet_cli.model_schema import OutputSchema
from coglet_cli.outputs.presentation import Reply
from coglet_cli.outputs.target import OutputTarget
from coglet_cli.server.address import LOOPBACK, free_address
from coglet_cli.server.local import PortTaken, local_server
from coglet_cli.server.running import RunningServer
from coglet_cli.terminal import Terminal

if TYPE_CHECKING:
    from coglet_cli.server.client import ModelClient, PredictionRequest

# Another program can take a free port between our look and the server's start.
_PORT_ATTEMPTS: Final = 3


@dataclass(frozen=True)
class Question:
    """Everything about one prediction that is known before a model runs."""

    input: Mapping[str, Any]
    context: Mapping[str, str]
    output: OutputSchema
    target: OutputTarget
    as_json: bool
    is_training: bool = False

    @property
    def shows_chunks(self) -> bool:
        """True when a person watches a text that can be shown while it is made."""
        follows = self.output.streaming and self.output.is_concatenated
        return follows and not self.as_json and self.target.file is None and sys.stdout.isatty()


@dataclass(frozen=True)
class Answer:
    """The end of a prediction; `is_shown` when its output stands on stdout already."""

    reply: Reply
    is_shown: bool = False


def fetch_document(url: str) -> Mapping[str, Any]:
    """The OpenAPI document of a running server."""

    async def fetch(_: Interrupts) -> Mapping[str, Any]:
        from coglet_cli.server.client import ModelClient

        async with ModelClient(url) as client:
            return await client.document()

    return run_interruptible(fetch)


def ask_running(url: str, question: Question, terminal: Terminal) -> Answer:
    """The answer of a running server. Ctrl-C cancels the prediction there and leaves the server alone."""

    async def ask(_: Interrupts) -> Answer:
        from coglet_cli.server.client import ModelClient

        async with ModelClient(url) as client:
            return await _ask(client, question, terminal)

    return run_interruptible(ask)


class LocalAsker:
    """Starts a local model for one question."""

    def __init__(
        self, model: LocalModel, options: LocalOptions, setup_timeout_s: float, terminal: Terminal
    ) -> None:
        self._model = model
        self._options = options
        self._setup_timeout_s = setup_timeout_s
        self._terminal = terminal

    def ask(self, question: Question, attempts: int = _PORT_ATTEMPTS) -> Answer:
        """The model's answer; past this call no process of it is left."""
        try:
            return run_interruptible(lambda interrupts: self._serve_and_ask(question, interrupts))
        except PortTaken:
            if attempts == 1:
                raise
            return self.ask(question, attempts - 1)

    async def _serve_and_ask(self, question: Question, interrupts: Interrupts) -> Answer:
        address = free_address(LOOPBACK)
        command = server_command(
            self._model, self._options, address, self._terminal, is_training=question.is_training
        )
        self._terminal.info("Starting the model and running setup()...")
        async with local_server(command) as server:
            interrupts.on_second = server.kill
            try:
                return await wait_and_ask(server, question, self._setup_timeout_s, self._terminal)
            except asyncio.CancelledError:
                self._terminal.info("Stopping the model... (Ctrl-C again to kill it)")
                raise


async def wait_and_ask(
    server: RunningServer, question: Question, setup_timeout_s: float, terminal: Terminal
) -> Answer:
    """The answer of a server that was just started."""
    # Imported while the server starts, which takes longer.
    from coglet_cli.server.client import ConnectionLost, ModelClient
    from coglet_cli.server.readiness import wait_set_up_within

    async with ModelClient(server.address.url) as client:
        await wait_set_up_within(setup_timeout_s, server, client)
        terminal.info("Running training..." if question.is_training else "Running prediction...")
        try:
            return await _ask(client, question, terminal)
        except ConnectionLost:
            await server.explain_loss()
            raise


async def _ask(client: "ModelClient", question: Question, terminal: Terminal) -> Answer:
    from coglet_cli.server.client import PredictionRequest

    request = PredictionRequest(
        f"cog-{uuid.uuid4().hex}", question.input, question.context, question.is_training
    )
    try:
        if not question.shows_chunks:
            return Answer(await client.predict(request))
        return await _follow(client, request, terminal)
    except asyncio.CancelledError:
        terminal.info("Canceling the prediction...")
        await client.cancel(request)
        raise


async def _follow(client: "ModelClient", request: "PredictionRequest", terminal: Terminal) -> Answer:
    has_chunks = False

    def show(chunk: object) -> None:
        nonlocal has_chunks
        has_chunks = True
        terminal.chunk(str(chunk))

    reply = await client.predict_streaming(request, show)
    if has_chunks and reply.get("status") == "succeeded":
        terminal.end_chunks()
    return Answer(reply, is_shown=has_chunks)
