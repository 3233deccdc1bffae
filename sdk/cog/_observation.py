"""Lets the worker observe the downloads of a prediction, and add header fields to their requests."""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Final, Protocol

    class Observation(Protocol):
        """The block of one download, from its request to its last byte, or to the error that ends it."""

        @property
        def headers(self) -> Mapping[str, str]: ...

        def received(self, size_bytes: int) -> None:
            """Note that so much more of the decoded content has arrived."""
            ...

        def __enter__(self) -> Observation: ...

        def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> None: ...

    Observe = Callable[[str], Observation]


class _Unobserved:
    """The block of a download that is not observed."""

    headers: Mapping[str, str] = {}

    def received(self, size_bytes: int) -> None:
        """See Observation."""

    def __enter__(self) -> Observation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See Observation."""


# What begins the observation of a download of this URL.
observer: Final[ContextVar[Observe | None]] = ContextVar("cog_download_observer", default=None)


def observed(url: str) -> Observation:
    """Return the block for the download of `url`, for the observer of this context."""
    observe = observer.get()
    return _Unobserved() if observe is None else observe(url)
