"""`cog predict` in a container, of an image or of one made for the current folder."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

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

# From the OpenAPI document of the model to the prediction. Raises UserError for wrong inputs.
_Prepare = Callable[[Mapping[str, Any]], PredictionSpec]


def run_docker_prediction(options: PredictOptions, docker: DockerOptions, terminal: Terminal) -> None:
    """Runs a prediction in a container. Raises UserError when there is no result to show."""
    from coglet_cli.engine.client import Engine

    def prepare(document: Mapping[str, Any]) -> PredictionSpec:
        return prediction_spec(document, options)

    check_input_flags(options)
    if docker.image is not None:
        engine = Engine.connect()
        model = find_image(engine, docker.image, docker.flags, terminal)
    else:
        local = load_local_model(docker.local.file, terminal)
        document = prepare_schema(local.project, local.config, terminal)
        prepare(document)  # wrong inputs are reported before a build of minutes
        engine = Engine.connect()
        model = build_model(engine, local, docker.flags, document, terminal)
    server_flags = ["--x-mode", "train"] if options.is_training else []
    starter = _Starter(engine, model, docker, options.setup_timeout_s)
    result, spec = starter.predict(prepare, terminal, server_flags)
    show_result(result, spec, terminal)


class _Starter:
    """Starts a container for one prediction."""

    def __init__(
        self, engine: "Engine", model: DockerModel, options: DockerOptions, setup_timeout_s: float
    ) -> None:
        self._engine = engine
        self._model = model
        self._options = options
        self._setup_timeout_s = setup_timeout_s

    def predict(
        self, prepare: _Prepare, terminal: Terminal, server_flags: Sequence[str]
    ) -> tuple[PredictionResult, PredictionSpec]:
        """The result of the prediction; past this call the container is gone.

        Inputs are checked before the start when the image carries its document, else after it.
        """
        spec = prepare(self._model.document) if self._model.document is not None else None
        return run_interruptible(
            lambda interrupts: self._start_and_predict(spec, prepare, terminal, (server_flags, interrupts))
        )

    async def _start_and_predict(
        self,
        spec: PredictionSpec | None,
        prepare: _Prepare,
        terminal: Terminal,
        start: tuple[Sequence[str], Interrupts],
    ) -> tuple[PredictionResult, PredictionSpec]:
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
                if spec is None:
                    async with ModelClient(server.address.url) as client:
                        await wait_set_up_within(self._setup_timeout_s, server, client)
                        spec = prepare(await client.document())
                result = await predict_when_ready(server, spec, self._setup_timeout_s, terminal)
            except asyncio.CancelledError:
                terminal.info("Stopping the container... (Ctrl-C again to kill it)")
                raise
        return result, spec
