"""The base classes of models."""

from __future__ import annotations

import warnings

from coglet._scope import current_scope

TYPE_CHECKING = False  # importing typing would double the cost of `import cog`
if TYPE_CHECKING:
    from typing import Any, ClassVar

    from cog._path import Path
    from coglet._scope import Scope


def method_owner(cls: type, name: str) -> type | None:
    """Return the class that defines the method `name` of `cls`; None if it is one of our bases, or none.

    Classes after our bases in the MRO do not count: a mixin has to be listed before them.
    """
    for candidate in cls.__mro__:
        if candidate.__module__ == __name__:
            return None
        if callable(candidate.__dict__.get(name)):
            return candidate
    return None


def predict_deprecated(cls: type) -> str:
    """Return the warning for a model with a `predict` method, which Python hides by default."""
    return f"{cls.__name__}.predict() is deprecated; use run() instead"


class BaseRunner:
    """Base of a model: `setup` runs once, `run` or `predict` for each prediction."""

    _run_owner: ClassVar[type | None] = None
    _predict_owner: ClassVar[type | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._run_owner = method_owner(cls, "run")
        cls._predict_owner = method_owner(cls, "predict")

    if TYPE_CHECKING:
        # Models override it with or without `weights`, sync or async; a type checker accepts all of these.
        def setup(self, *args: Any, **kwargs: Any) -> Any: ...
    else:

        def setup(self, weights: Path | str | None = None) -> None:
            """Prepare the model; `weights` is `COG_WEIGHTS` or the folder `weights`."""

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Make one prediction. A model defines this or `predict`; its annotations are the model's API.

        Raises NotImplementedError if a model defines neither.
        """
        if self._predict_owner is not None and self._run_owner is None:
            return self.predict(*args, **kwargs)
        raise NotImplementedError("run has not been implemented by parent class.")

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Call `run` of a model that defines `run`, with a DeprecationWarning."""
        warnings.warn(predict_deprecated(type(self)), DeprecationWarning, stacklevel=2)
        return self.run(*args, **kwargs)

    @property
    def scope(self) -> Scope:
        """The scope of the running prediction."""
        return current_scope()

    def record_metric(self, key: str, value: Any, mode: str = "replace") -> None:
        """Record a metric of the running prediction; see `MetricRecorder.record`."""
        self.scope.record_metric(key, value, mode)


class BasePredictor(BaseRunner):
    """Another name of `BaseRunner`, which the documentation uses."""
