"""Hint for an import of the model's that failed although the file exists, but in another folder."""

import os
from types import TracebackType
from typing import Final

from coglet_worker.error_text import built_in_attribute, text_of, trace_of

_NO_PACKAGE: Final = "attempted relative import with no known parent package"


def import_hint(error: BaseException) -> str:
    """Return what to write instead if the module lies beside the importing file in a subfolder, else ""."""
    kind, trace = type(error), trace_of(error)
    if trace is None or not issubclass(kind, ImportError):
        return ""
    try:
        file = os.path.relpath(_importing_file(trace))
    except OSError:  # the model has deleted the folder that it runs in
        return ""
    folder = os.path.dirname(file)
    if issubclass(kind, ModuleNotFoundError):
        name = built_in_attribute(error, ImportError, "name")
        return _beside(folder, name.partition(".")[0]) if type(name) is str else ""
    if text_of(error) == _NO_PACKAGE:
        return f"{file} is loaded by its path and has no package: write {_spelling(folder, 'NAME')}"
    return ""


def _beside(folder: str, name: str) -> str:
    """Return the hint for a module that is in `folder`, which is not on the import path."""
    found = [
        path
        for path in (os.path.join(folder, f"{name}.py"), os.path.join(folder, name))
        if folder and os.path.exists(path)
    ]
    if not found or folder.startswith(os.pardir):
        return ""
    return (
        f"{found[0]} exists, but modules are found from the model's folder, where cog.yaml is, "
        f"and not from {folder}: write {_spelling(folder, name)}"
    )


def _spelling(folder: str, name: str) -> str:
    """Return the import that works for `name` in `folder`, which is relative to the model's folder."""
    parts = [*filter(None, folder.split(os.sep)), name]
    if not all(part.isidentifier() for part in parts):
        return f"an import from the model's folder, and give {folder} a name that Python can import"
    return f"`from {'.'.join(parts)} import ...`"


def _importing_file(trace: TracebackType) -> str:
    """Return the file whose statement was the import: the last frame outside the import system."""
    file = trace.tb_frame.f_code.co_filename
    while trace.tb_next is not None:
        trace = trace.tb_next
        if not trace.tb_frame.f_code.co_filename.startswith("<frozen "):
            file = trace.tb_frame.f_code.co_filename
    return file
