"""The marker for values that the schema does not describe."""

from __future__ import annotations


class _OpaqueMarker:
    """Singleton: `Annotated[ThirdPartyType, Opaque]` means "any JSON object here"."""

    __slots__ = ()

    def __new__(cls) -> _OpaqueMarker:
        return _instance or super().__new__(cls)

    def __repr__(self) -> str:
        return "cog.Opaque"

    def __reduce__(self) -> str:
        return "Opaque"


_instance: _OpaqueMarker | None = None
Opaque = _instance = _OpaqueMarker()
"""`Annotated[T, Opaque]`: an input that is any JSON object, whatever the class T of another library is."""
