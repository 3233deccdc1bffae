"""`Coder`: conversions between Python types and JSON objects, for tools. The runtime never asks it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar


class Coder(ABC):
    """Converts values of one type to JSON objects and back."""

    _registered: ClassVar[dict[type[Coder], None]] = {}  # a set that keeps its order

    @staticmethod
    def register(coder: type[Coder]) -> None:
        """Adds a class of coders; the one registered first is asked first."""
        Coder._registered[coder] = None

    @staticmethod
    def lookup(tpe: type | Any) -> Coder | None:
        """A coder for values of type `tpe`, or None."""
        return next((found for coder in Coder._registered if (found := coder.factory(tpe))), None)

    @staticmethod
    @abstractmethod
    def factory(tpe: type[Any]) -> Coder | None:
        """A coder for values of type `tpe`, or None when this class has none."""

    @abstractmethod
    def encode(self, x: Any) -> dict[str, Any]:
        """Turns `x` into a JSON object."""

    @abstractmethod
    def decode(self, x: dict[str, Any]) -> Any:
        """Turns a JSON object into a value."""
