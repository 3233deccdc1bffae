"""Loads predictors from references, and finds their methods and weights."""

from __future__ import annotations

import os
import sys
import types
import warnings

from cog._runner import BasePredictor, BaseRunner, method_owner, predict_deprecated

TYPE_CHECKING = False  # importing typing would double the cost of `import cog`
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from cog._path import Path

__all__ = [
    "BasePredictor",
    "BaseRunner",
    "declared_choices",
    "extract_setup_weights",
    "has_setup_weights",
    "load_predictor_from_ref",
    "prediction_method",
    "training_method",
]

# An attribute of functions whose `Input(...)` objects were replaced by their defaults.
_CHOICES = "__cog_choices__"


def load_predictor_from_ref(ref: str, *, train: bool = False) -> Any:
    """Execute the file of `ref` (`predict.py:Predictor` or `predict.py`) and return the predictor it names.

    A class is checked and instantiated, anything else is returned as it is. `Input(...)` defaults are
    replaced by the defaults they declare. With `train`, a class that defines only `train` suffices.
    Raises ImportError or AttributeError if there is no such module or name, TypeError or ValueError if it is
    not a predictor, and whatever the author's code raises.
    """
    file, _, name = ref.partition(":")
    module = _load_module(file)
    found = getattr(module, name) if name else _default_predictor(module, train=train)
    if isinstance(found, type):
        _check_class(found, train=train)
        _warn_deprecated_class(found)
        found = found()
    for method in (found, *(getattr(found, name, None) for name in ("run", "predict", "train"))):
        _replace_field_defaults(method)
    return found


def prediction_method(predictor: Any) -> Callable[..., Any]:
    """Return the callable that makes a prediction: `run`, else `predict`, else the predictor itself.

    Raises ValueError if there are both, or none and the predictor cannot be called.
    """
    names = [name for name in ("run", "predict") if method_owner(type(predictor), name)]
    if len(names) == 2:
        raise ValueError("predictor must define either run() or predict(), not both")
    if names:
        return getattr(predictor, names[0])  # type: ignore[no-any-return]
    if callable(predictor):
        return predictor  # type: ignore[no-any-return]
    raise ValueError("run() or predict() method not found on predictor")


def training_method(predictor: Any) -> Callable[..., Any] | None:
    """Return the callable that trains: the method `train`, or the predictor itself if it is a function."""
    if isinstance(predictor, types.FunctionType):
        return predictor
    method = getattr(predictor, "train", None)
    return method if callable(method) else None


def declared_choices(function: Callable[..., Any]) -> Mapping[str, Sequence[Any]]:
    """Return the `Input(choices=...)` of a function of a loaded predictor, by parameter."""
    found: Mapping[str, Sequence[Any]] = {}
    inner: Any = function
    while inner is not None and not found:
        found = getattr(inner, "__dict__", {}).get(_CHOICES, {})
        inner = getattr(inner, "__wrapped__", None)
    return found


def has_setup_weights(predictor: Any) -> bool:
    """Return True if `predictor.setup` has a parameter named `weights`."""
    setup = getattr(predictor, "setup", None)
    if setup is None:
        return False
    import inspect

    return "weights" in inspect.signature(setup).parameters


def extract_setup_weights(predictor: Any) -> Path | str | None:
    """Return the argument of `setup`: `COG_WEIGHTS`, else the folder `weights` of the model, else None."""
    if weights := os.environ.get("COG_WEIGHTS"):
        return weights
    module = sys.modules.get(type(predictor).__module__)
    folder = os.path.join(os.path.dirname(getattr(module, "__file__", None) or ""), "weights")
    if not os.path.isdir(folder):
        return None
    from cog._path import Path

    return Path(os.path.relpath(folder))


def _load_module(file: str) -> types.ModuleType:
    from importlib.util import module_from_spec, spec_from_file_location

    name = os.path.basename(file).removesuffix(".py")
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"Cannot load module from {file}")
    module = module_from_spec(spec)
    sys.modules[name] = module  # before it runs, because pickle and dataclasses look modules up there
    try:
        spec.loader.exec_module(module)
    except BaseException:  # whatever the author's code raises: a later import must not find a partial module
        del sys.modules[name]
        raise
    return module


def _default_predictor(module: types.ModuleType, *, train: bool) -> Any:
    has_predictor = hasattr(module, "Predictor")
    if hasattr(module, "Runner"):
        problem = _problem(module.Runner, train=train)
        if problem is None:
            if has_predictor:
                _warn(
                    "Both Runner and Predictor are defined; using Runner. "
                    "Specify a class name explicitly if this is not intended.",
                    UserWarning,
                    module.Runner,
                )
            return module.Runner
        if not has_predictor:
            raise problem
    elif not has_predictor:
        raise AttributeError(f"module '{module.__name__}' has no Runner or Predictor")
    _warn("Predictor is deprecated; use Runner instead", DeprecationWarning, module.Predictor)
    return module.Predictor


def _problem(candidate: Any, *, train: bool) -> Exception | None:
    """Return why `candidate` cannot be the predictor, None if it can."""
    if not callable(candidate):
        return TypeError("Runner exists but is not a class or callable")
    if isinstance(candidate, type):
        try:
            _check_class(candidate, train=train)
        except ValueError as error:
            return error
    return None


def _check_class(cls: type, *, train: bool) -> None:
    if train and method_owner(cls, "train"):
        return
    run, predict = method_owner(cls, "run"), method_owner(cls, "predict")
    if run and predict:
        raise ValueError(f"{cls.__name__} must define either run() or predict(), not both")
    if not run and not predict:
        raise ValueError(f"run or predict method not found: {cls.__name__}")


def _warn_deprecated_class(cls: type) -> None:
    if method_owner(cls, "predict"):
        _warn(predict_deprecated(cls), DeprecationWarning, cls)
    if issubclass(cls, BasePredictor):
        _warn("BasePredictor is deprecated; use BaseRunner instead", DeprecationWarning, cls)


def _warn(message: str, category: type[Warning], model: Any) -> None:
    """Issue a warning at the model's source, in the name of its module, so that Python's filter applies."""
    method = model
    for name in ("run", "predict"):
        if isinstance(model, type) and method_owner(model, name):
            method = getattr(model, name)
    code = getattr(method, "__code__", None)
    file, line = (code.co_filename, code.co_firstlineno) if code else ("<model>", 1)
    module = getattr(model, "__module__", None) or "<model>"
    try:
        warnings.warn_explicit(message, category, file, line, module=module)
    except Warning:  # PYTHONWARNINGS=error is for faults in the author's code; this is only advice
        sys.stderr.write(f"{file}:{line}: {category.__name__}: {message}\n")


def _replace_field_defaults(function: Any) -> None:
    """Replace `Input(...)` by the default it declares, also in functions that a decorator has wrapped."""
    while function is not None:
        plain = getattr(function, "__func__", function)
        if isinstance(plain, types.FunctionType):
            if choices := _choices(plain):
                plain.__dict__[_CHOICES] = choices
            if plain.__defaults__:
                plain.__defaults__ = tuple(map(_default_of, plain.__defaults__))
            if plain.__kwdefaults__:
                plain.__kwdefaults__ = {k: _default_of(v) for k, v in plain.__kwdefaults__.items()}
        function = getattr(function, "__wrapped__", None)


def _choices(function: types.FunctionType) -> dict[str, Sequence[Any]]:
    positional = function.__code__.co_varnames[: function.__code__.co_argcount]
    defaults = dict(zip(reversed(positional), reversed(function.__defaults__ or ()), strict=False))
    declared = {**defaults, **(function.__kwdefaults__ or {})}.items()
    return {name: field.choices for name, field in declared if _is_field(field) and field.choices}


def _is_field(value: Any) -> bool:
    input_module = sys.modules.get("cog.input")  # not loaded: then nothing was made by Input()
    return input_module is not None and isinstance(value, input_module.FieldInfo)


def _default_of(value: Any) -> Any:
    return value.default if _is_field(value) else value
