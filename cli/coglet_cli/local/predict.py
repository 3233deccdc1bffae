"""`cog predict` on this machine: the model's server is started for one prediction."""

import asyncio
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

# Another program can take a free port between our look and the server's start.
_PORT_ATTEMPTS: Final = 3


def run_local_prediction(options: PredictOptions, local: LocalOptions, terminal: Terminal) -> None:
    """Runs a prediction of the current folder's model. Raises UserError when there is no result to show."""
    check_input_flags(options)
    model = load_local_model(local.file, terminal)
    if options.is_training and model.config.train is None:
        raise UserError(
            "cog.yaml names no training",
            hint='add it to cog.yaml, for example `train: "train.py:train"`',
        )
    spec = prediction_spec(prepare_schema(model.project, model.config, terminal), options)
    starter = _Starter(model, with_interpreter(model, local, terminal), options.setup_timeout_s, terminal)
    show_result(starter.predict(spec), spec, terminal)


class _Starter:
    """Starts the server of a model for one prediction."""

    def __init__(
        self, model: LocalModel, options: LocalOptions, setup_timeout_s: float, terminal: Terminal
    ) -> None:
        self._model = model
        self._options = options
        self._setup_timeout_s = setup_timeout_s
        self._terminal = terminal

    def predict(self, spec: PredictionSpec, attempts: int = _PORT_ATTEMPTS) -> PredictionResult:
        """The result; past this call no process of the server is left."""
        try:
            return run_interruptible(lambda interrupts: self._start_and_predict(spec, interrupts))
        except PortTaken:
            if attempts == 1:
                raise
            return self.predict(spec, attempts - 1)

    async def _start_and_predict(self, spec: PredictionSpec, interrupts: Interrupts) -> PredictionResult:
        address = free_address(LOOPBACK)
        command = server_command(
            self._model, self._options, address, self._terminal, is_training=spec.is_training
        )
        self._terminal.info("Starting the model and running setup()...")
        async with local_server(command) as server:
            interrupts.on_second = server.kill
            try:
                return await predict_when_ready(server, spec, self._setup_timeout_s, self._terminal)
            except asyncio.CancelledError:
                self._terminal.info("Stopping the model... (Ctrl-C again to kill it)")
                raise
