"""Whether a base image exists: one answer for all commands that decide on a base."""

from functools import cached_property
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from coglet_cli.engine.client import Engine

_TIMEOUT_S: Final = 10


class Availability:
    """Asks the engine, as a build does; where none answers, the registry itself.

    `is_demanded` bases are taken to exist when there is no engine: it may have them without a registry.
    """

    def __init__(self, *, is_demanded: bool) -> None:
        self._is_demanded = is_demanded

    def __call__(self, name: str) -> bool:
        """True when the image is on the engine or in its registry."""
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
