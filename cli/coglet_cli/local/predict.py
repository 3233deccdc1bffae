"""`cog predict` on this machine: starts the model's server for one prediction."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Final

from coglet_cli.errors import UserError
from coglet_cli.interrupts import Interrupts, run_interruptible
from coglet_cli.local.model import LocalOptions, server_command, with_interpreter
from coglet_cli.local.process import local_server
from coglet_cli.prediction.request import predict_when_ready
from coglet_cli.prediction.result import PredictionResult, show_result
from coglet_cli.prediction.spec import PredictionSpec, PredictOptions, check_input_flags, prediction_spec
from coglet_cli.project.model import LocalModel, load_local_model
from coglet_cli.project.schema import prepare_schema
from coglet_cli.server.address import LOOPBACK, PortTaken, free_address
from coglet_cli.terminal import Terminal

# Another program can take a free port between our check and the server's start.
_PORT_ATTEMPTS: Final = 3


def run_local_prediction(options: PredictOptions, local: LocalOptions, terminal: Terminal) -> None:
    """Run a prediction of the current folder's model and show the result. Raises UserError without one."""
    check_input_flags(options)
    model = load_local_model(local.file, terminal)
    if options.is_training and model.config.train is None:
        raise UserError(
            "cog.yaml has no training",
            hint='add it to cog.yaml, for example `train: "train.py:train"`',
        )
    spec = prediction_spec(prepare_schema(model.project, model.config, terminal), options)
    start = _Start(model, with_interpreter(model, local, terminal), options.setup_timeout_s, terminal)
    show_result(_predict(start, spec), spec.output, terminal)


@dataclass(frozen=True)
class _Start:
    """What is needed to start a model's server for one prediction."""

    model: LocalModel
    options: LocalOptions
    setup_timeout_s: float
    terminal: Terminal

    async def predict(self, spec: PredictionSpec, interrupts: Interrupts) -> PredictionResult:
        """Run the prediction, stop the server and return the result. Raises PortTaken."""
        address = free_address(LOOPBACK)
        command = server_command(
            self.model, self.options, address, self.terminal, is_training=spec.values.is_training
        )
        self.terminal.info("Starting the model and running setup()...")
        async with local_server(command) as server:
            interrupts.on_second = server.kill
            try:
                return await predict_when_ready(server, spec, self.setup_timeout_s, self.terminal)
            except asyncio.CancelledError:
                self.terminal.info("Stopping the model... (Ctrl-C again to kill it)")
                raise


def _predict(start: _Start, spec: PredictionSpec, attempts: int = _PORT_ATTEMPTS) -> PredictionResult:
    try:
        return run_interruptible(partial(start.predict, spec))
    except PortTaken:
        if attempts == 1:
            raise
        return _predict(start, spec, attempts - 1)
