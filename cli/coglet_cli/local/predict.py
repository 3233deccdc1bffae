"""`cog predict` on this machine: starts the model's server for one prediction."""

import asyncio
import signal
from dataclasses import dataclass
from pathlib import Path

from coglet_cli.errors import Interrupted, UserError
from coglet_cli.interrupts import Interrupts, run_interruptible
from coglet_cli.local.model import LocalOptions, server_command, with_interpreter_beside
from coglet_cli.local.process import local_server
from coglet_cli.prediction.request import predict_when_ready
from coglet_cli.prediction.result import PredictionResult, show_result
from coglet_cli.prediction.spec import (
    PredictionSpec,
    PredictOptions,
    check_input_flags,
    prediction_spec,
    reads_stdin,
)
from coglet_cli.project.changes import SourceChanges, watch_source
from coglet_cli.project.folder import find_project
from coglet_cli.project.model import LocalModel, load_local_model
from coglet_cli.project.schema import prepare_schema
from coglet_cli.server.address import LOOPBACK, Address, at_free_port
from coglet_cli.server.running import unless_raised
from coglet_cli.terminal import Terminal


def run_local_prediction(options: PredictOptions, local: LocalOptions, terminal: Terminal) -> None:
    """Run a prediction of the current folder's model and show the result. Raises UserError without one."""
    check_input_flags(options)
    asking = _Asking(options, local, terminal)
    # Outside of the event loop, in which Ctrl-C does not interrupt what blocks, such as reading stdin.
    prepared = asking.prepare()
    result = run_interruptible(lambda interrupts: asking.run(prepared, interrupts))
    show_result(result, prepared.spec.output, terminal)


def watch_local_prediction(options: PredictOptions, local: LocalOptions, terminal: Terminal) -> None:
    """As `run_local_prediction`, and again at each change of the model's source, until Ctrl-C."""
    check_input_flags(options)
    if reads_stdin(options):
        raise UserError("--watch cannot read inputs from stdin again at each change", hint="use @FILE")
    asking = _Asking(options, local, terminal)
    try:
        run_interruptible(asking.ask_at_changes)
    except Interrupted as stopped:
        # Ctrl-C is the normal way to end it.
        if stopped.signal_number != signal.SIGINT:
            raise


@dataclass(frozen=True)
class _Asking:
    """What the command line asks for: a prediction of the model as it is on the disk."""

    options: PredictOptions
    local: LocalOptions
    terminal: Terminal

    def prepare(self) -> "_Prepared":
        """Check the model and the inputs. Raises UserError."""
        model = load_local_model(self.local.file, self.terminal)
        if self.options.is_training and model.config.train is None:
            raise UserError(
                "cog.yaml has no training",
                hint='add it to cog.yaml, for example `train: "train.py:train"`',
            )
        document = prepare_schema(model.project, model.config, self.terminal)
        return _Prepared(model, prediction_spec(document, self.options))

    async def run(self, prepared: "_Prepared", interrupts: Interrupts) -> PredictionResult:
        """Start the model, run the prediction and stop the model. Raises UserError."""
        local = await with_interpreter_beside(prepared.model, self.local, self.terminal)
        start = _Start(prepared.model, local, self.options.setup_timeout_s, self.terminal)
        return await start.predict(prepared.spec, interrupts)

    async def ask_at_changes(self, interrupts: Interrupts) -> None:
        """Ask now and at each change; one that comes while the prediction runs cancels it."""
        project = find_project(self.local.file, Path.cwd())
        changes = SourceChanges()

        async def ask_again() -> None:
            while True:
                await changes.interrupt(self._ask_and_report(interrupts))
                if not changes.is_pending:
                    self.terminal.info("Waiting for a change... (Ctrl-C to stop)")
                self.terminal.info(f"{await changes.take()} changed")

        await unless_raised(watch_source(project, changes), ask_again())

    async def _ask_and_report(self, interrupts: Interrupts) -> None:
        try:
            prepared = self.prepare()
            show_result(await self.run(prepared, interrupts), prepared.spec.output, self.terminal)
        except UserError as error:
            self.terminal.error(error.message, error.hint)


@dataclass(frozen=True)
class _Prepared:
    """A model and a prediction of it that was checked."""

    model: LocalModel
    spec: PredictionSpec


@dataclass(frozen=True)
class _Start:
    """What is needed to start a model's server for one prediction."""

    model: LocalModel
    options: LocalOptions
    setup_timeout_s: float
    terminal: Terminal

    async def predict(self, spec: PredictionSpec, interrupts: Interrupts) -> PredictionResult:
        """Run the prediction, stop the server and return the result. Raises PortTaken."""
        return await at_free_port(LOOPBACK, lambda address: self._predict_at(address, spec, interrupts))

    async def _predict_at(
        self, address: Address, spec: PredictionSpec, interrupts: Interrupts
    ) -> PredictionResult:
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
