"""The identity of the version of the model that serves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coglet_supervisor.pages.hosted.identity import Identity


class ServedModel:
    """Owns that identity. `find` reads it for the first version; a reload replaces it.

    Edits of the source that no worker has loaded do not change it, so it is read when the model is ready.
    """

    def __init__(self, find: Callable[[], Identity]) -> None:
        self._find = find
        self._lock = threading.Lock()
        self._first: Identity | None = None
        self._reloaded: Identity | None = None

    @property
    def identity(self) -> Identity:
        """The identity; `read` must have returned before."""
        identity = self._reloaded or self._first
        assert identity is not None
        return identity

    def read(self) -> None:
        """Read the source files, unless that was done. In a thread: there may be thousands."""
        with self._lock:
            if self._first is None:
                self._first = self._find()

    def replace(self, identity: Identity) -> None:
        """Use the identity of another version from now on."""
        self._reloaded = identity
