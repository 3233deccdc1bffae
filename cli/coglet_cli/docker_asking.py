"""One question to a model in a container that is started for it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from coglet_cli.asking import Answer, Question, wait_and_ask
from coglet_cli.docker_model import SERVER_COMMAND, DockerModel, DockerOptions, container_plan
from coglet_cli.interrupts import Interrupts, run_interruptible
from coglet_cli.terminal import Terminal

if TYPE_CHECKING:
    from coglet_cli.engine.client import Engine

# Makes the question when the document of the model is known.
Prepare = Callable[[Mapping[str, Any]], Question]


class DockerAsker:
    """Starts a container for one question."""

    def __init__(
        self, engine: "Engine", model: DockerModel, options: DockerOptions, setup_timeout_s: float
    ) -> None:
        self._engine = engine
        self._model = model
        self._options = options
        self._setup_timeout_s = setup_timeout_s

    def ask(
        self, prepare: Prepare, terminal: Terminal, server_flags: Sequence[str] = ()
    ) -> tuple[Answer, Question]:
        """The model's answer to the question; past this call the container is gone.

        Inputs are checked before the start when the image carries its document, else after it.
        """
        question = prepare(self._model.document) if self._model.document is not None else None
        return run_interruptible(
            lambda interrupts: self._start_and_ask(question, prepare, terminal, (server_flags, interrupts))
        )

    async def _start_and_ask(
        self,
        question: Question | None,
        prepare: Prepare,
        terminal: Terminal,
        start: tuple[Sequence[str], Interrupts],
    ) -> tuple[Answer, Question]:
        from coglet_cli.engine.container import model_container
        from coglet_cli.server.client import ModelClient
        from coglet_cli.server.readiness import wait_set_up_within

        server_flags, interrupts = start
        plan, show_line = container_plan(self._model, self._options, terminal)
        terminal.info("Starting Docker image and running setup()...")
        if server_flags:
            plan = replace(plan, arguments=[*SERVER_COMMAND, *server_flags])
        async with model_container(self._engine, plan, terminal, show_line) as server:
            interrupts.on_second = server.kill
            try:
                if question is None:
                    async with ModelClient(server.address.url) as client:
                        await wait_set_up_within(self._setup_timeout_s, server, client)
                        question = prepare(await client.document())
                answer = await wait_and_ask(server, question, self._setup_timeout_s, terminal)
            except asyncio.CancelledError:
                terminal.info("Stopping the container... (Ctrl-C again to kill it)")
                raise
        return answer, question
