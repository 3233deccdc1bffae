"""`Coder`: conversions between Python types and JSON objects, for tools. The runtime does not use it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar


class Coder(ABC):
    """Converts values of one type to JSON objects and back."""

    _registered: ClassVar[dict[type[Coder], None]] = {}  # a set that keeps its order

    @staticmethod
    def register(coder: type[Coder]) -> None:
        """Add a class of coders; `lookup` tries the classes in the order of registration."""
        Coder._registered[coder] = None

    @staticmethod
    def lookup(tpe: type | Any) -> Coder | None:
        """Return a coder for values of type `tpe`, or None."""
        return next((found for coder in Coder._registered if (found := coder.factory(tpe))), None)

    @staticmethod
    @abstractmethod
    def factory(tpe: type[Any]) -> Coder | None:
        """Return a coder for values of type `tpe`, or None if this class has none."""

    @abstractmethod
    def encode(self, x: Any) -> dict[str, Any]:
        """Convert `x` to a JSON object."""

    @abstractmethod
    def decode(self, x: dict[str, Any]) -> Any:
        """Convert a JSON object to a value."""
