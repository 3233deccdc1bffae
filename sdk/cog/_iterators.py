"""Annotations of models that stream text."""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    # A type checker allows only Iterator and its bases as the return type of a generator.
    ConcatenateIterator = Iterator
    AsyncConcatenateIterator = AsyncIterator
else:

    class ConcatenateIterator(Iterator[T]):
        """Return type of a `run` that yields pieces of one text; clients join them without a separator."""

    class AsyncConcatenateIterator(AsyncIterator[T]):
        """`ConcatenateIterator` for an async generator."""
