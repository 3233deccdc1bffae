"""The names that model code imports: base classes, inputs, types, the running prediction."""

from __future__ import annotations

import sys

# `python -m cog.server.http` imports this package before it sets `sys.argv`.
if sys.argv[:1] == ["-m"] and any(word.endswith("cog.server.http") for word in sys.orig_argv):
    from cog._model_folder import forget_current_folder

    forget_current_folder()  # before any import that a file of that folder could shadow

from importlib import import_module

from cog._opaque import Opaque
from cog._runner import BasePredictor, BaseRunner
from coglet import CancelationException, __version__
from coglet._scope import current_scope

TYPE_CHECKING = False  # importing typing would double the cost of `import cog`
if TYPE_CHECKING:
    from cog._decorators import concurrent, streaming
    from cog._deprecated import ExperimentalFeatureWarning, emit_metric
    from cog.input import FieldInfo, Input
    from cog.model import BaseModel
    from cog.types import (
        AsyncConcatenateIterator,
        ConcatenateIterator,
        File,
        Path,
        Secret,
        URLFile,
        URLPath,
    )

__all__ = [
    "AsyncConcatenateIterator",
    "BaseModel",
    "BasePredictor",
    "BaseRunner",
    "CancelationException",
    "ConcatenateIterator",
    "ExperimentalFeatureWarning",
    "FieldInfo",
    "File",
    "Input",
    "Opaque",
    "Path",
    "Secret",
    "URLFile",
    "URLPath",
    "__version__",
    "concurrent",
    "current_scope",
    "emit_metric",
    "streaming",
]

# Loaded at the first access: dataclasses, typing and pathlib take ten times longer than the rest.
_HOMES = {
    "AsyncConcatenateIterator": "cog.types",
    "BaseModel": "cog.model",
    "ConcatenateIterator": "cog.types",
    "ExperimentalFeatureWarning": "cog._deprecated",
    "FieldInfo": "cog.input",
    "File": "cog.types",
    "Input": "cog.input",
    "Path": "cog.types",
    "Secret": "cog.types",
    "URLFile": "cog.types",
    "URLPath": "cog.types",
    "concurrent": "cog._decorators",
    "emit_metric": "cog._deprecated",
    "streaming": "cog._decorators",
}


def _load(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(_HOMES[name])
    notice = getattr(home, "NOTICES", {}).get(name)
    if notice:
        sys.stderr.write(f"{notice}\n")
    value = globals()[name] = getattr(home, name)  # cached, so that the notice is printed only once
    return value


if not TYPE_CHECKING:  # a type checker that sees it would accept any name
    __getattr__ = _load


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
