"""`Input`: the declaration of one parameter of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class FieldInfo:
    """The value that `Input()` returns; `default` is None both for "no default" and for `default=None`."""

    default: Any = None
    description: str | None = None
    ge: int | float | None = None
    le: int | float | None = None
    min_length: int | None = None
    max_length: int | None = None
    regex: str | None = None
    choices: Sequence[str | int] | None = None
    deprecated: bool | None = None
    accept: str | None = None


def Input(  # noqa: PLR0913 - one argument per schema keyword
    default: Any = None,
    *,
    default_factory: Callable[..., Any] | None = None,
    description: str | None = None,
    ge: int | float | None = None,
    le: int | float | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    regex: str | None = None,
    choices: Sequence[str | int] | None = None,
    deprecated: bool | None = None,
    accept: str | None = None,
) -> Any:
    """Declare default, description and limits of a parameter: `def run(self, n: int = Input(ge=1)) -> str`.

    Typed as `Any`, to be a default of any annotation. `accept` is the filter of a file picker, for `Path`.
    Raises TypeError for a `default_factory`, which a static schema cannot express.
    """
    if default_factory is not None:
        raise TypeError(
            "default_factory is not supported in Input(). Use a literal default value instead: "
            "Input(default=...). Mutable defaults like lists should use immutable alternatives "
            "(e.g. a comma-separated string) or be constructed in predict()."
        )
    return FieldInfo(
        default=default,
        description=description,
        ge=ge,
        le=le,
        min_length=min_length,
        max_length=max_length,
        regex=regex,
        choices=choices,
        deprecated=deprecated,
        accept=accept,
    )
