"""Text for exceptions of a model's code, whatever the author's exception classes do.

`str`, a property or a metaclass of theirs may raise anything, `SystemExit` included. Nothing here raises, and
no method of theirs is called outside a `try`.
"""

import os
import traceback
from types import TracebackType
from typing import Any, Final

from coglet_protocol.limits import MAX_TEXT_CHARS

_MAX_LINES: Final = 1000  # of a traceback; each line is a separate record in the server log


def describe(error: BaseException) -> str:
    """Return `ValueError: boom`; the type is the class's qualified name without module."""
    return f"{qualified_name(type(error))}: {text_of(error)}"


def text_of(error: BaseException) -> str:
    """Return `str(error)`, cut to what one message can carry, or the reason why there is no text."""
    try:
        return _plain(str(error))
    except BaseException as second:  # noqa: BLE001 - the author's `__str__`; sys.exit() there ends nothing
        return f"(no text: its str() raised {qualified_name(type(second))})"


def qualified_name(kind: type) -> str:
    """Return `kind.__qualname__`, which a metaclass cannot hide."""
    return _plain(type.__dict__["__qualname__"].__get__(kind))


def simple_name(kind: type) -> str:
    """Return `kind.__name__`, which a metaclass cannot hide."""
    return _plain(type.__dict__["__name__"].__get__(kind))


def author_traceback(error: BaseException) -> str:
    """Return the traceback without our own frames before the author's, a long one without its middle."""
    return _format(error, _skip_ours(trace_of(error)))


def full_traceback(error: BaseException) -> str:
    """Return the traceback with our own frames, a long one without its middle."""
    return _format(error, trace_of(error))


def _format(error: BaseException, trace: TracebackType | None) -> str:
    try:
        text = _plain("".join(traceback.format_exception(type(error), error, trace)))
    except BaseException:  # noqa: BLE001 - causes, notes, groups and loaders of the author's may raise
        text = f"{_frames(trace)}{describe(error)}\n"
    lines = text.split("\n")
    if len(lines) > _MAX_LINES:
        half = _MAX_LINES // 2
        lines[half:-half] = [f"  ... {len(lines) - 2 * half} lines left out ..."]
    return "\n".join(lines)


def _frames(trace: TracebackType | None) -> str:
    """Return the frames without their source lines, which come from the author's loader."""
    lines = ["Traceback (most recent call last):\n"]
    while trace is not None and len(lines) < _MAX_LINES:
        code = trace.tb_frame.f_code
        lines.append(f'  File "{code.co_filename}", line {trace.tb_lineno}, in {code.co_name}\n')
        trace = trace.tb_next
    return "".join(lines)


def _plain(text: str) -> str:
    """Return `text` as an exact `str`, not a subclass, cut just above what one message can carry."""
    return str.__getitem__(text, slice(MAX_TEXT_CHARS + 1))


def built_in_attribute(error: BaseException, owner: type[BaseException], name: str) -> Any:
    """Return the attribute that `owner` defines, even if the class of `error` overrides it."""
    return owner.__dict__[name].__get__(error)


def trace_of(error: BaseException) -> TracebackType | None:
    """Return `error.__traceback__`, even if the class of `error` overrides it."""
    trace: TracebackType | None = built_in_attribute(error, BaseException, "__traceback__")
    return trace


def _skip_ours(trace: TracebackType | None) -> TracebackType | None:
    here = os.path.dirname(__file__)
    first = trace
    while first is not None and first.tb_frame.f_code.co_filename.startswith(here):
        first = first.tb_next
    return first or trace
