"""Errors of writing a command's result to stdout: a full disk, or a closed pipe."""

import io
import os
import sys
from typing import TYPE_CHECKING, Final

from coglet_cli.errors import UserError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_STDOUT: Final = 1


class CannotPrint(UserError):
    """Writing to stdout failed."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"cannot write the result to stdout: {error.strerror}")


class ReaderClosed(Exception):
    """The reading end of the pipe at stdout was closed."""


class _Descriptor(io.FileIO):
    """stdout, whose errors differ in type from those of other files."""

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise ReaderClosed from None
        except OSError as error:
            raise CannotPrint(error) from None


def watch_stdout() -> None:
    """Make `sys.stdout` raise CannotPrint or ReaderClosed, unless a test has replaced it."""
    if sys.stdout is sys.__stdout__ and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(_Descriptor(_STDOUT, "w", closefd=False)),
            sys.stdout.encoding,
            sys.stdout.errors,
            line_buffering=sys.stdout.line_buffering,
        )


def discard_stdout() -> None:
    """Discard what is still buffered: Python would fail again when it flushes stdout at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
