"""Whether a base image exists, for commands that can choose a base image without an engine."""

from functools import cached_property
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from coglet_cli.engine.client import Engine

_TIMEOUT_S: Final = 10


class Availability:
    """Asks the engine, as a build does, or the registry if no engine responds.

    Without an engine, an `is_demanded` base is assumed to exist: an engine may have it without a registry.
    """

    def __init__(self, *, is_demanded: bool) -> None:
        self._is_demanded = is_demanded

    def __call__(self, name: str) -> bool:
        """Return True if the image is on the engine or in its registry."""
        if self._engine is not None:
            return self._engine.is_available(name)
        return self._is_demanded or _is_in_registry(name)

    @cached_property
    def _engine(self) -> "Engine | None":
        from coglet_cli.engine.client import Engine
        from coglet_cli.engine.errors import EngineUnreachable

        try:
            return Engine.connect(_TIMEOUT_S)
        except EngineUnreachable:
            return None


def _is_in_registry(name: str) -> bool:
    import httpx

    from coglet_cli.registry.repository import RegistryError, Repository

    repository, _, tag = name.rpartition(":")
    try:
        with Repository(repository, httpx.Timeout(_TIMEOUT_S)) as there:
            there.manifest(tag)
    except (RegistryError, httpx.HTTPError):
        return False
    return True
