"""Text of what a model's code raised. Its classes are the author's, too: whatever they do, there is a text.

`str`, a property or a metaclass of theirs may raise anything, `SystemExit` included. Nothing here raises, and
no method of theirs is called outside of a `try`.
"""

import os
import traceback
from types import TracebackType
from typing import Any, Final

from coglet_protocol.limits import MAX_TEXT_CHARS

_MAX_LINES: Final = 1000  # of a traceback: each is a record of its own in the server log


def describe(error: BaseException) -> str:
    """`ValueError: boom`; the type is the class's qualified name without module."""
    return f"{qualified_name(type(error))}: {text_of(error)}"


def text_of(error: BaseException) -> str:
    """`str(error)`, at most as long as one message can carry, or the reason why there is none."""
    try:
        return _plain(str(error))
    except BaseException as second:  # noqa: BLE001 - the author's `__str__`; sys.exit() there ends nothing
        return f"(no text: its str() raised {qualified_name(type(second))})"


def qualified_name(kind: type) -> str:
    """`kind.__qualname__`, which a metaclass cannot hide."""
    return _plain(type.__dict__["__qualname__"].__get__(kind))


def simple_name(kind: type) -> str:
    """`kind.__name__`, likewise."""
    return _plain(type.__dict__["__name__"].__get__(kind))


def author_traceback(error: BaseException) -> str:
    """The traceback without our own frames in front of the author's; the middle of a long one is left out."""
    return _format(error, _skip_ours(trace_of(error)))


def full_traceback(error: BaseException) -> str:
    """The same with our own frames."""
    return _format(error, trace_of(error))


def _format(error: BaseException, trace: TracebackType | None) -> str:
    try:
        text = _plain("".join(traceback.format_exception(type(error), error, trace)))
    except BaseException:  # noqa: BLE001 - causes, notes, groups and loaders of the author, all of them may raise
        text = f"{_frames(trace)}{describe(error)}\n"
    lines = text.split("\n")
    if len(lines) > _MAX_LINES:
        half = _MAX_LINES // 2
        lines[half:-half] = [f"  ... {len(lines) - 2 * half} lines left out ..."]
    return "\n".join(lines)


def _frames(trace: TracebackType | None) -> str:
    """The frames alone, without their source lines, which come from the author's loader."""
    lines = ["Traceback (most recent call last):\n"]
    while trace is not None and len(lines) < _MAX_LINES:
        code = trace.tb_frame.f_code
        lines.append(f'  File "{code.co_filename}", line {trace.tb_lineno}, in {code.co_name}\n')
        trace = trace.tb_next
    return "".join(lines)


def _plain(text: str) -> str:
    """The same text without the methods of a subclass of `str`, and without what no message can carry."""
    return str.__getitem__(text, slice(MAX_TEXT_CHARS + 1))


def built_in_attribute(error: BaseException, owner: type[BaseException], name: str) -> Any:
    """The attribute as `owner` has it, whatever the class of `error` makes of it."""
    return owner.__dict__[name].__get__(error)


def trace_of(error: BaseException) -> TracebackType | None:
    """`error.__traceback__`, likewise."""
    trace: TracebackType | None = built_in_attribute(error, BaseException, "__traceback__")
    return trace


def _skip_ours(trace: TracebackType | None) -> TracebackType | None:
    here = os.path.dirname(__file__)
    first = trace
    while first is not None and first.tb_frame.f_code.co_filename.startswith(here):
        first = first.tb_next
    return first or trace
