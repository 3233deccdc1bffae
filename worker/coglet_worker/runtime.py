"""What both loops share: the parts of one worker, and what happens before and after the model's code."""

import os
import sys
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from cog._observation import observer
from coglet import _scope
from coglet_protocol import control, slot
from coglet_protocol.limits import cut_text
from coglet_worker import streams
from coglet_worker.cancelation import CancelationGate
from coglet_worker.capture import DescriptorCapture
from coglet_worker.control import ControlChannel
from coglet_worker.download_reports import DownloadReports
from coglet_worker.encoding import OutputError, to_json
from coglet_worker.error_text import author_traceback, built_in_attribute, text_of
from coglet_worker.inputs import InputError
from coglet_worker.model import Model
from coglet_worker.running import RunningPrediction, log_target
from coglet_worker.slot import SlotConnection
from coglet_worker.streams import LogRouter

Terminal = slot.Done | slot.Failed | slot.Cancelled

MAX_METRIC_BYTES: Final = 1024 * 1024


@dataclass(frozen=True)
class Runtime:
    """The parts of one worker process that the loops need."""

    control: ControlChannel
    gate: CancelationGate
    router: LogRouter
    captures: tuple[DescriptorCapture, ...]
    model: Model
    reports_idle: bool = False
    pid: int = field(default_factory=os.getpid)

    def begin(self, message: slot.Predict, connection: SlotConnection) -> RunningPrediction:
        """Bind the calling context to a new prediction with its own log, metrics and `context`."""
        prediction = RunningPrediction(message, connection, self.gate, self.router.orphans)
        self.router.started(prediction)
        log_target.set(prediction)
        prediction.scope = _scope.activate(_context_of(message), _MetricSender(connection))
        if message.trace:
            prediction.download_reports = DownloadReports(message, self.gate, connection.send)
            observer.set(prediction.download_reports.begin)
        return prediction

    def end(self, prediction: RunningPrediction, terminal: Terminal) -> None:
        """Send the remaining logs and then the terminal message; the slot is free when that arrives."""
        self._leave_if_forked()
        for capture in self.captures:
            capture.drain()
        self.router.ended(prediction)
        prediction.end(terminal)
        if prediction.scope is not None:
            _scope.deactivate(prediction.scope)
        log_target.set(None)
        if prediction.download_reports is not None:
            observer.set(None)
        prediction.connection.send(terminal, now=True)
        if self.reports_idle:
            self._report_idle(prediction.connection, terminal)

    def _report_idle(self, connection: SlotConnection, terminal: Terminal) -> None:
        if isinstance(terminal, slot.Cancelled):
            self.control.send(control.Cancelled(slot=connection.id))
        if not connection.is_poisoned:
            self.control.send(control.Idle(slot=connection.id))

    def poison(self, connection: SlotConnection, error: str) -> None:
        """Report to the supervisor that a slot is lost. The others continue."""
        connection.is_poisoned = True
        self.control.send(control.Failed(slot=connection.id, error=error))

    def warn(self, text: str) -> None:
        """Send a warning of the worker itself."""
        self.control.send(control.WorkerLog(target="coglet::worker", level="warning", message=text))

    def explain(self, prediction: RunningPrediction, error: BaseException) -> slot.Failed:
        """Return the terminal message for what the model's code, its input or its output raised."""
        self._leave_if_forked(error)
        kind = type(error)  # not isinstance, which reads `error.__class__`
        if issubclass(kind, InputError):
            return _failed(prediction, text_of(error))
        if issubclass(kind, OutputError):
            return _failed(prediction, f"Prediction failed: {text_of(error)}")
        text = self.model.failure(error, in_generator=prediction.in_generator)
        # A cancel may just have interrupted an endless `__str__` of the author's: do not call it again.
        if not self.gate.requested(prediction.sequence):
            self._report_traceback(prediction, error)
        return _failed(prediction, text)

    def canceled(self, prediction: RunningPrediction, outcome: Terminal) -> slot.Cancelled:
        """Return the terminal message if a cancel arrived but the code ended by itself; keep its output."""
        if isinstance(outcome, slot.Done) and outcome.output is not None:
            prediction.connection.send(slot.Output(output=outcome.output))
        return slot.Cancelled(id=prediction.id)

    def _leave_if_forked(self, error: BaseException | None = None) -> None:
        """Exit if this is a forked child of the model that returned from `run`, as under plain Python.

        Otherwise it would continue as a second worker, on descriptors that are not its own.
        """
        if os.getpid() == self.pid:
            return
        code = 1
        try:
            code = _exit_code(error)
            streams.flush_child()
        finally:
            os._exit(code)

    def _report_traceback(self, prediction: RunningPrediction, error: BaseException) -> None:
        # Only to the server log: it is for the author, and the client must not see it.
        record = f"prediction {prediction.id} raised\n{author_traceback(error)}"
        for line in cut_text(record).rstrip().split("\n"):
            self.control.send(control.WorkerLog(target="coglet::prediction", level="error", message=line))


def _context_of(message: slot.Predict) -> dict[str, str]:
    """Return the client's context, with the trace under the names of its header fields and of variables."""
    variables = {name.upper(): value for name, value in message.trace.items()}
    return {**message.context, **message.trace, **variables}


def _exit_code(error: BaseException | None) -> int:
    if error is None:
        return 0
    if not issubclass(type(error), SystemExit):
        print(author_traceback(error), end="", file=sys.stderr)  # noqa: T201 - as the interpreter does
        return 1
    code = built_in_attribute(error, SystemExit, "code")
    if code is None or isinstance(code, int):
        return code or 0
    print(code, file=sys.stderr)  # noqa: T201 - as the interpreter does
    return 1


def _failed(prediction: RunningPrediction, text: str) -> slot.Failed:
    return slot.Failed(id=prediction.id, error=cut_text(text))


class _MetricSender:
    """Sends each change of a metric on the slot of its prediction."""

    __slots__ = ("_connection",)

    def __init__(self, connection: SlotConnection) -> None:
        self._connection = connection

    def __call__(self, name: str, value: Any, mode: Any) -> None:
        try:
            encoded = to_json(value, _refuse).encode("utf-8", "replace")
        except ValueError:
            return  # NaN and infinity are not JSON numbers; the peer drops them from the response, too
        except RecursionError as error:
            raise ValueError(f"metric {name!r} is nested too deeply") from error
        if len(encoded) > MAX_METRIC_BYTES:
            raise ValueError(f"metric {name!r} is {len(encoded)} bytes, the limit is {MAX_METRIC_BYTES}")
        self._connection.send(slot.Metric(name=name, value=encoded, mode=mode))


def _refuse(value: object) -> NoReturn:
    raise TypeError(f"a metric cannot hold a {type(value).__name__}")  # not reached: a copy in plain types
