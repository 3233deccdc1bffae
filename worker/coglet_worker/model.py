"""The model of this worker: loading, setup, and the properties that the loops need."""

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

_CO_COROUTINE: Final = 0x80  # flags of `inspect`, whose import would slow the start
_CO_ASYNC_GENERATOR: Final = 0x200


class SetupError(Exception):
    """The model cannot be loaded or set up, as `kind` says; `traceback` is the author's part of it."""

    def __init__(self, kind: Literal["load", "setup"], text: str, traceback: str = "") -> None:
        prefix = "failed to load predictor" if kind == "load" else "setup failed"
        super().__init__(f"{prefix}: {text}")
        self.kind: Literal["load", "setup"] = kind
        self.traceback = traceback

    @classmethod
    def of(cls, kind: Literal["load", "setup"], error: BaseException) -> "SetupError":
        """Return the SetupError for an exception of the author's code."""
        hint = import_hint(error)
        return cls(kind, f"{describe(error)}\n{hint}" if hint else describe(error), author_traceback(error))


@dataclass(frozen=True)
class Model:
    """A loaded model. `call` is `run`, `predict` or `train`, with the defaults of `Input()` resolved."""

    instance: Any
    call: Callable[..., Any] | None
    inputs: InputConverter | None
    is_train: bool
    returns_iterator: bool = False

    @property
    def is_async(self) -> bool:
        """True if the call returns a coroutine or an async generator."""
        return self.call is not None and bool(_flags(self.call) & (_CO_COROUTINE | _CO_ASYNC_GENERATOR))

    def is_iterator(self, result: object) -> bool:
        """Return True if the items of `result` are the output: if it is a generator, or any iterator of a
        model that declares to return one."""
        kind = type(result)
        return kind is GeneratorType or (self.returns_iterator and hasattr(kind, "__next__"))

    def failure(self, error: BaseException, *, in_generator: bool = False) -> str:
        """Return the text that a client gets when the model's code raised `error`."""
        if self.is_train:
            stage = "Async training failed" if self.is_async else "Training failed"
        elif in_generator:
            stage = "Generator iteration error"
        else:
            stage = "Async prediction failed" if self.is_async else "Prediction failed"
        return f"Prediction failed: {stage}: {describe(error)}"

    @property
    def healthcheck(self) -> Callable[[], Any] | None:
        """The model's own check, or None. A plain function has none."""
        try:
            check = getattr(self.instance, "healthcheck", None)
        except BaseException as error:  # noqa: BLE001 - a property of the author's; then the check fails
            return functools.partial(_raise, error)
        return check if callable(check) and not _is_function(self.instance) else None


def load(ref: str, *, is_train: bool, input_kinds: Mapping[str, InputKind] | None) -> Model:
    """Import and instantiate the model; this runs the author's module code.

    `input_kinds` comes from the schema, None without a schema. Raises SetupError if anything fails.
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
    returns_iterator = call is not None and Hints(call).returns_iterator
    return Model(instance, call, inputs, is_train, returns_iterator)


def run_setup(model: Model, run_async: Callable[[Any], Outcome]) -> None:
    """Run the author's `setup`, if there is one, with the weights it asks for.

    Raises SetupError if it raises.
    """
    try:
        setup = getattr(model.instance, "setup", None)
        if not callable(setup) or _is_function(model.instance):
            return
        if cog.predictor.has_setup_weights(model.instance):
            result = setup(cog.predictor.extract_setup_weights(model.instance))
        else:
            result = setup()
        if hasattr(result, "__await__"):  # not the code flags: a plain function may wrap an async one
            run_async(outcome_of(result)).value()
    except BaseException as error:  # sys.exit() in setup is a failed setup, too
        raise SetupError.of("setup", error) from error


def check_concurrency(model: Model, num_slots: int) -> None:
    """Raise SetupError if a sync model is to run several predictions in one process."""
    if num_slots > 1 and not model.is_async:
        raise SetupError("setup", "COG_MAX_CONCURRENCY > 1 requires an async run() or predict() method")


def _raise(error: BaseException) -> NoReturn:
    raise error


def _is_function(value: object) -> bool:
    return hasattr(value, "__code__") and not isinstance(value, type)


def _flags(function: Callable[..., Any]) -> int:
    """Return the code flags of a function, method, partial or callable object."""
    while not hasattr(function, "__code__"):
        inner = getattr(function, "__func__", None) or getattr(function, "func", None)
        if inner is None:
            function = type(function).__call__
            continue
        function = inner
    code: CodeType = function.__code__
    return code.co_flags
