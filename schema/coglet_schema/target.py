"""Finds the function that a reference such as `predict.py:Predictor` names."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from coglet_schema.errors import ErrorKind, SchemaError
from coglet_schema.names import ClassSymbol, External, FunctionSymbol, Scope, ancestry, bases, lookup
from coglet_schema.project import Module
from coglet_schema.syntax.definitions import Function

Mode: TypeAlias = Literal["predict", "train"]


@dataclass(frozen=True)
class Target:
    """The callable behind a model."""

    function: Function
    # The scope in which the names in its signature are resolved.
    scope: Scope
    # The class that the reference names; None for a function.
    class_name: str | None
    warnings: tuple[str, ...] = ()


def split_reference(ref: str) -> tuple[str, str]:
    """Return file and name of a reference. Raises SchemaError if one is missing."""
    file, _, name = ref.partition(":")
    if not file or not name:
        message = (
            f"invalid predict reference '{ref}' — expected format: file.py:ClassName or file.py:function_name"
        )
        raise SchemaError(ErrorKind.INVALID_PREDICT_REF, message)
    return file, name


def find_target(module: Module, name: str, mode: Mode) -> Target:
    """Return the function or method that handles a prediction or training.

    Raises SchemaError if there is none, or both `run` and `predict`.
    """
    # If `name` is not found, a function with the name of the mode is used, as by the peer.
    for candidate in (name, mode):
        match lookup(candidate, Scope(module)):
            case ClassSymbol() as symbol if candidate == name:
                return _training_method(symbol) if mode == "train" else _prediction_method(symbol)
            case FunctionSymbol() as function:
                return Target(function.definition, function.scope, None)
    place = module.source.place(0)
    raise SchemaError(ErrorKind.PREDICTOR_NOT_FOUND, f"predictor not found: {name}", place)


def _training_method(symbol: ClassSymbol) -> Target:
    method = symbol.definition.body.names.get("train")
    if isinstance(method, Function):
        return Target(method, symbol.body_scope, symbol.definition.name)
    message = f"{symbol.definition.name}.train not found"
    hint = "add a method `def train(self, ...) -> <type>:` to the class itself; it is not inherited"
    raise SchemaError(ErrorKind.METHOD_NOT_FOUND, message, symbol.scope.place(symbol.definition.start), hint)


def _prediction_method(symbol: ClassSymbol) -> Target:
    name = symbol.definition.name
    place = symbol.scope.place(symbol.definition.start)
    _reject_oldest_base(symbol)
    run, predict = (_find_method(symbol, method) for method in ("run", "predict"))
    if run and predict:
        message = f"{name} must define either run() or predict(), not both"
        raise SchemaError(ErrorKind.METHOD_CONFLICT, message, place)
    if run:
        return Target(*run, name)
    if predict:
        return Target(*predict, name, (f"{name}.predict() is deprecated; use run() instead",))
    message = f"{name} must define run() or predict()"
    raise SchemaError(ErrorKind.METHOD_NOT_FOUND, message, place)


def _reject_oldest_base(symbol: ClassSymbol) -> None:
    """Raise SchemaError for a class that derives from `cog.Predictor`, the base class before cog 0.1."""
    for owner in ancestry(symbol):
        for base in bases(owner):
            if isinstance(base, External) and base.dotted_name == "cog.Predictor":
                message = (
                    f"{owner.definition.name} derives from cog.Predictor, the base class of cog before 0.1"
                )
                hint = (
                    "derive it from cog.BasePredictor, and declare each input in the signature of predict(): "
                    "`scale: float = cog.Input(default=1.5)`"
                )
                place = owner.scope.place(owner.definition.start)
                raise SchemaError(ErrorKind.OTHER, message, place, hint)


def _find_method(symbol: ClassSymbol, name: str) -> tuple[Function, Scope] | None:
    """Return the method of the class or, depth first, of its parents, with its scope."""
    for owner in ancestry(symbol):
        method = owner.definition.body.names.get(name)
        if isinstance(method, Function):
            return method, owner.body_scope
    return None
