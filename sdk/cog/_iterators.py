"""Annotations of models that stream text."""

from collections.abc import AsyncIterator, Iterator
from typing import TypeVar

T = TypeVar("T")


class ConcatenateIterator(Iterator[T]):
    """Return type of a `run` that yields pieces of one text; clients join them without a separator."""


class AsyncConcatenateIterator(AsyncIterator[T]):
    """`ConcatenateIterator` for an async generator."""
