"""`BaseModel`: structured outputs."""

from __future__ import annotations

import copy
import re
import sys
from dataclasses import dataclass, field, is_dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform() -> Any:
        return lambda cls: cls


# Annotations that a dataclass does not treat as a field, written as a type or as text.
_NOT_A_FIELD = re.compile(r"[\w.]*\b(ClassVar|InitVar)\b")


@dataclass_transform()
class BaseModel:
    """Base of structured outputs: every subclass becomes a dataclass. There is no validation.

    A mutable default, such as `[]`, is copied for each object.

    `class Output(BaseModel, auto_dataclass=False)` leaves construction to the class; other class arguments
    go to `dataclass`. Raises TypeError, ValueError or RuntimeError for bases that cannot be combined.
    """

    _auto_dataclass = True

    def __init_subclass__(cls, *, auto_dataclass: bool = True, init: bool = True, **kwargs: Any) -> None:
        super().__init_subclass__()
        _check_bases(cls, auto_dataclass)
        cls._auto_dataclass = auto_dataclass
        if auto_dataclass:
            _translate_pydantic_fields(cls)
            _copy_mutable_defaults(cls)
            dataclass(init=init, **kwargs)(cls)


def _translate_pydantic_fields(cls: type[BaseModel]) -> None:
    """Replace the values of pydantic's `Field(...)` by equivalent dataclass fields."""
    for name, value in list(vars(cls).items()):
        kind = type(value)
        if kind.__name__ != "FieldInfo" or kind.__module__.partition(".")[0] != "pydantic":
            continue
        default = value.default
        if value.default_factory is not None:
            setattr(cls, name, field(default_factory=value.default_factory))
        elif default is ... or type(default).__name__ in ("PydanticUndefinedType", "UndefinedType"):
            delattr(cls, name)  # required
        else:
            setattr(cls, name, default)


def _copy_mutable_defaults(cls: type[BaseModel]) -> None:
    """Copy mutable defaults for each object, as pydantic does."""
    for name, annotation in _annotations_of(cls).items():
        default = vars(cls).get(name)
        if not _is_hashable(default) and not _NOT_A_FIELD.match(str(annotation)):
            setattr(cls, name, field(default_factory=partial(copy.deepcopy, default)))


def _annotations_of(cls: type[BaseModel]) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF)
    annotations: dict[str, Any] = vars(cls).get("__annotations__", {})
    return annotations


def _is_hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _check_bases(cls: type[BaseModel], auto_dataclass: bool) -> None:
    primary, *mixins = cls.__bases__
    if not issubclass(primary, BaseModel):
        raise TypeError(f'Primary base class of "{cls.__name__}" must inherit from BaseModel')
    for mixin in mixins:
        if is_dataclass(mixin):
            raise TypeError(f'Cannot mixin dataclass "{mixin.__name__}" while inheriting from `BaseModel`')
    if primary is BaseModel:
        return
    if "_auto_dataclass" not in vars(primary):
        raise RuntimeError(
            f'auto_dataclass tracking is missing on "{primary.__name__}", a base of "{cls.__name__}"'
        )
    if primary._auto_dataclass and not auto_dataclass:
        raise ValueError(
            f'Base class "{primary.__name__}" has auto_dataclass=True, but "{cls.__name__}" has '
            "auto_dataclass=False. This creates broken field inheritance."
        )
