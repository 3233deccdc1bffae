"""Types for the inputs and outputs of a model."""

from __future__ import annotations

from cog._file import File, URLFile
from cog._iterators import AsyncConcatenateIterator, ConcatenateIterator
from cog._path import Path, URLPath
from cog._url import get_filename

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cog._secret import Secret

__all__ = [
    "AsyncConcatenateIterator",
    "ConcatenateIterator",
    "File",
    "Path",
    "Secret",
    "URLFile",
    "URLPath",
    "get_filename",
]


if not TYPE_CHECKING:  # a checker that sees it takes every name for one of ours

    def __getattr__(name):
        # A dataclass, and `dataclasses` takes longer to import than all of `cog`: only those who use it pay.
        if name == "Secret":
            from cog._secret import Secret

            return Secret
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
