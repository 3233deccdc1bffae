"""The model of this worker: loaded, set up, and described by what the loops need to know of it."""

import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, TracebackType
from typing import Any, Final, Literal

import cog.predictor
from coglet_worker.inputs import InputConverter

_CO_COROUTINE: Final = 0x80  # the flags of `inspect`, whose import costs more than a start can afford
_CO_ASYNC_GENERATOR: Final = 0x200


class SetupError(Exception):
    """The model cannot be loaded or set up. `kind` tells which; `traceback` is the author's part of it."""

    def __init__(self, kind: Literal["load", "setup"], error: BaseException | str) -> None:
        if isinstance(error, str):
            text, trace = error, ""
        else:
            text, trace = describe(error), author_traceback(error)
        prefix = "failed to load predictor" if kind == "load" else "setup failed"
        super().__init__(f"{prefix}: {text}")
        self.kind: Literal["load", "setup"] = kind
        self.traceback = trace


@dataclass(frozen=True)
class Model:
    """A loaded model. `call` is `run`, `predict` or `train`, with the defaults of `Input()` resolved."""

    instance: Any
    call: Callable[..., Any] | None
    inputs: InputConverter | None
    is_train: bool

    @property
    def is_async(self) -> bool:
        """True when the call gives a coroutine or an async generator."""
        return self.call is not None and bool(_flags(self.call) & (_CO_COROUTINE | _CO_ASYNC_GENERATOR))

    def failure(self, error: BaseException, *, in_generator: bool = False) -> str:
        """The text a client gets when the model's code raised `error`."""
        if self.is_train:
            stage = "Async training failed" if self.is_async else "Training failed"
        elif in_generator:
            stage = "Generator iteration error"
        else:
            stage = "Async prediction failed" if self.is_async else "Prediction failed"
        return f"Prediction failed: {stage}: {describe(error)}"

    @property
    def healthcheck(self) -> Callable[[], Any] | None:
        """The model's own check, if it has one. A plain function has none."""
        check = getattr(self.instance, "healthcheck", None)
        return check if callable(check) and not _is_function(self.instance) else None


def load(ref: str, *, is_train: bool) -> Model:
    """Imports and instantiates the model. Raises SetupError; runs the author's module code."""
    try:
        instance = cog.predictor.load_predictor_from_ref(ref, train=is_train)
        call = (
            cog.predictor.training_method(instance) if is_train else cog.predictor.prediction_method(instance)
        )
        inputs = InputConverter(call) if call is not None else None
    except BaseException as error:  # the author's module may raise anything, SystemExit too
        raise SetupError("load", error) from error
    return Model(instance, call, inputs, is_train)


def run_setup(model: Model, run_async: Callable[[Any], Any]) -> None:
    """Runs the author's `setup`, if there is one, with the weights it asks for. Raises SetupError."""
    setup = getattr(model.instance, "setup", None)
    if not callable(setup) or _is_function(model.instance):
        return
    try:
        if cog.predictor.has_setup_weights(model.instance):
            result = setup(cog.predictor.extract_setup_weights(model.instance))
        else:
            result = setup()
        if hasattr(result, "__await__"):  # not its flags: a plain function may wrap an async one
            run_async(result)
    except BaseException as error:  # sys.exit() in setup is a failed setup, too
        raise SetupError("setup", error) from error


def check_concurrency(model: Model, num_slots: int) -> None:
    """Raises SetupError when a sync model is asked to run several predictions in one process."""
    if num_slots > 1 and not model.is_async:
        raise SetupError("setup", "COG_MAX_CONCURRENCY > 1 requires an async run() or predict() method")


def describe(error: BaseException) -> str:
    """`ValueError: boom`; the type is the class's qualified name without module."""
    return f"{type(error).__qualname__}: {error}"


def author_traceback(error: BaseException) -> str:
    """The traceback without our own frames in front of the author's."""
    return "".join(traceback.format_exception(type(error), error, _skip_ours(error.__traceback__)))


def _skip_ours(trace: TracebackType | None) -> TracebackType | None:
    here = os.path.dirname(__file__)
    first = trace
    while first is not None and first.tb_frame.f_code.co_filename.startswith(here):
        first = first.tb_next
    return first or trace


def _is_function(value: object) -> bool:
    return hasattr(value, "__code__") and not isinstance(value, type)


def _flags(function: Callable[..., Any]) -> int:
    """The code flags of a function, method or partial."""
    while not hasattr(function, "__code__"):
        inner = getattr(function, "__func__", None) or getattr(function, "func", None)
        if inner is None:
            function = type(function).__call__
            continue
        function = inner
    code: CodeType = function.__code__
    return code.co_flags
