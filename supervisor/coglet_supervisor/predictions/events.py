"""The events of a prediction, which its listeners receive."""

from dataclasses import dataclass

from coglet_supervisor.predictions.metrics import Mode


@dataclass(frozen=True, slots=True)
class Started:
    """The prediction was handed to a worker."""


@dataclass(frozen=True, slots=True)
class Logged:
    """Text that the prediction printed. `source` is `stdout` or `stderr`."""

    source: str
    data: str


@dataclass(frozen=True, slots=True)
class Produced:
    """One item of the output, as JSON text."""

    chunk: bytes
    index: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One change of a metric; `value` is JSON text."""

    name: str
    value: bytes
    mode: Mode


@dataclass(frozen=True, slots=True)
class Completed:
    """The terminal state was reached."""


Event = Started | Logged | Produced | Measured | Completed
