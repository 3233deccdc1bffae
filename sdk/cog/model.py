"""`BaseModel`: structured outputs."""

from __future__ import annotations

from dataclasses import dataclass, is_dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform() -> Any:
        return lambda cls: cls


@dataclass_transform()
class BaseModel:
    """Base of structured outputs: every subclass becomes a dataclass. There is no validation.

    `class Output(BaseModel, auto_dataclass=False)` leaves construction to the class; other class arguments
    go to `dataclass`.
    """

    _auto_dataclass = True

    def __init_subclass__(cls, *, auto_dataclass: bool = True, init: bool = True, **kwargs: Any) -> None:
        super().__init_subclass__()
        _check_bases(cls, auto_dataclass)
        cls._auto_dataclass = auto_dataclass
        if auto_dataclass:
            dataclass(init=init, **kwargs)(cls)


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
