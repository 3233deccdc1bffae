"""`cog predict` in a container, from an image or from one built for the current folder."""

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from coglet_cli.container.model import (
    SERVER_COMMAND,
    DockerModel,
    DockerOptions,
    build_model,
    container_plan,
    find_image,
)
from coglet_cli.interrupts import Interrupts, run_interruptible
from coglet_cli.prediction.request import predict_when_ready
from coglet_cli.prediction.result import PredictionResult, show_result
from coglet_cli.prediction.spec import PredictionSpec, PredictOptions, check_input_flags, prediction_spec
from coglet_cli.project.model import load_local_model
from coglet_cli.project.schema import prepare_schema
from coglet_cli.terminal import Terminal

if TYPE_CHECKING:
    from coglet_cli.engine.client import Engine


def run_docker_prediction(options: PredictOptions, docker: DockerOptions, terminal: Terminal) -> None:
    """Run a prediction in a container and show its result. Raises UserError if there is none."""
    from coglet_cli.engine.client import Engine

    check_input_flags(options)
    # Validate the inputs before a build that takes minutes. An image without a document must run first.
    if docker.image is not None:
        engine = Engine.connect()
        model = find_image(engine, docker.image, docker.flags, terminal)
        spec = prediction_spec(model.document, options) if model.document is not None else None
    else:
        local = load_local_model(docker.local.file, terminal)
        document = prepare_schema(local.project, local.config, terminal)
        spec = prediction_spec(document, options)
        engine = Engine.connect()
        model = build_model(engine, local, docker.flags, document, terminal)
    start = _Start(engine, model, docker, options, terminal)
    result, spec = run_interruptible(partial(start.predict, spec))
    show_result(result, spec.output, terminal)


@dataclass(frozen=True)
class _Start:
    """What is needed to start a container for one prediction."""

    engine: "Engine"
    model: DockerModel
    docker: DockerOptions
    options: PredictOptions
    terminal: Terminal

    async def predict(
        self, spec: PredictionSpec | None, interrupts: Interrupts
    ) -> tuple[PredictionResult, PredictionSpec]:
        """Run the prediction in a container and remove the container; return the result and its request."""
        from coglet_cli.engine.container import model_container
        from coglet_cli.server.client import ModelClient
        from coglet_cli.server.readiness import wait_set_up_within

        plan, show_line = container_plan(self.model, self.docker, self.terminal)
        if self.options.is_training:
            plan = replace(plan, arguments=[*SERVER_COMMAND, "--x-mode", "train"])
        timeout_s = self.options.setup_timeout_s
        self.terminal.info("Starting Docker image and running setup()...")
        async with model_container(self.engine, plan, self.terminal, show_line) as server:
            interrupts.on_second = server.kill
            try:
                if spec is None:
                    async with ModelClient(server.address.url) as client:
                        await wait_set_up_within(timeout_s, server, client)
                        spec = prediction_spec(await client.document(), self.options)
                result = await predict_when_ready(server, spec, timeout_s, self.terminal)
            except asyncio.CancelledError:
                self.terminal.info("Stopping the container... (Ctrl-C again to kill it)")
                raise
        return result, spec
