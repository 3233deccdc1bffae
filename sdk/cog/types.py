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


if not TYPE_CHECKING:  # a type checker that sees it would accept any name

    def __getattr__(name):
        # Loaded on demand: it needs `dataclasses`, which takes longer to import than all of `cog`.
        if name == "Secret":
            from cog._secret import Secret

            return Secret
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
