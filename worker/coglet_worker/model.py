"""The model of this worker: loaded, set up, and described by what the loops need to know of it."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import CodeType, GeneratorType
from typing import Any, Final, Literal, NoReturn

import cog.predictor
from coglet_protocol.control import InputKind
from coglet_worker.error_text import author_traceback, describe
from coglet_worker.hints import Hints
from coglet_worker.import_hint import import_hint
from coglet_worker.inputs import InputConverter, UnclearInput
from coglet_worker.outcome import Outcome, outcome_of

_CO_COROUTINE: Final = 0x80  # the flags of `inspect`, whose import costs more than a start can afford
_CO_ASYNC_GENERATOR: Final = 0x200


class SetupError(Exception):
    """The model cannot be loaded or set up. `kind` tells which; `traceback` is the author's part of it."""

    def __init__(self, kind: Literal["load", "setup"], text: str, traceback: str = "") -> None:
        prefix = "failed to load predictor" if kind == "load" else "setup failed"
        super().__init__(f"{prefix}: {text}")
        self.kind: Literal["load", "setup"] = kind
        self.traceback = traceback

    @classmethod
    def of(cls, kind: Literal["load", "setup"], error: BaseException) -> "SetupError":
        """What becomes of an exception of the author's code."""
        hint = import_hint(error)
        return cls(kind, f"{describe(error)}\n{hint}" if hint else describe(error), author_traceback(error))


@dataclass(frozen=True)
class Model:
    """A loaded model. `call` is `run`, `predict` or `train`, with the defaults of `Input()` resolved."""

    instance: Any
    call: Callable[..., Any] | None
    inputs: InputConverter | None
    is_train: bool
    gives_iterator: bool = False

    @property
    def is_async(self) -> bool:
        """True when the call gives a coroutine or an async generator."""
        return self.call is not None and bool(_flags(self.call) & (_CO_COROUTINE | _CO_ASYNC_GENERATOR))

    def is_iterator(self, result: object) -> bool:
        """True when the items of a result are the output: of a generator, and of any iterator when the model
        says that it returns one."""
        kind = type(result)
        return kind is GeneratorType or (self.gives_iterator and hasattr(kind, "__next__"))

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
        try:
            check = getattr(self.instance, "healthcheck", None)
        except BaseException as error:  # noqa: BLE001 - a property of the author's; its check fails
            return functools.partial(_raise, error)
        return check if callable(check) and not _is_function(self.instance) else None


def load(ref: str, *, is_train: bool, input_kinds: Mapping[str, InputKind] | None) -> Model:
    """Imports and instantiates the model. Raises SetupError; runs the author's module code.

    `input_kinds` is what the schema says of the inputs, None without a schema.
    """
    try:
        instance = cog.predictor.load_predictor_from_ref(ref, train=is_train)
        call = (
            cog.predictor.training_method(instance) if is_train else cog.predictor.prediction_method(instance)
        )
        inputs = InputConverter(call, input_kinds) if call is not None else None
    except UnclearInput as error:
        raise SetupError("load", str(error)) from error
    except BaseException as error:  # the author's module may raise anything, SystemExit too
        raise SetupError.of("load", error) from error
    gives_iterator = call is not None and Hints(call).gives_iterator
    return Model(instance, call, inputs, is_train, gives_iterator)


def run_setup(model: Model, run_async: Callable[[Any], Outcome]) -> None:
    """Runs the author's `setup`, if there is one, with the weights it asks for. Raises SetupError."""
    try:
        setup = getattr(model.instance, "setup", None)
        if not callable(setup) or _is_function(model.instance):
            return
        if cog.predictor.has_setup_weights(model.instance):
            result = setup(cog.predictor.extract_setup_weights(model.instance))
        else:
            result = setup()
        if hasattr(result, "__await__"):  # not its flags: a plain function may wrap an async one
            run_async(outcome_of(result)).value()
    except BaseException as error:  # sys.exit() in setup is a failed setup, too
        raise SetupError.of("setup", error) from error


def check_concurrency(model: Model, num_slots: int) -> None:
    """Raises SetupError when a sync model is asked to run several predictions in one process."""
    if num_slots > 1 and not model.is_async:
        raise SetupError("setup", "COG_MAX_CONCURRENCY > 1 requires an async run() or predict() method")


def _raise(error: BaseException) -> NoReturn:
    raise error


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
