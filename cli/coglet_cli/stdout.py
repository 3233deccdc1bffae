"""The result of a command, on stdout; that the disk is full, or the reader gone, is not our fault."""

import io
import os
import sys
from typing import TYPE_CHECKING, Final

from coglet_cli.errors import UserError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_STDOUT: Final = 1


class CannotPrint(UserError):
    """stdout takes nothing."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"cannot write the result to stdout: {error.strerror}")


class ReaderGone(Exception):
    """Nobody reads on from the pipe that stdout is."""


class _Descriptor(io.FileIO):
    """Tells what goes wrong here from what goes wrong with other files."""

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise ReaderGone from None
        except OSError as error:
            raise CannotPrint(error) from None


def watch_stdout() -> None:
    """Makes `sys.stdout` raise CannotPrint or ReaderGone, where it is the stdout of this process."""
    if sys.stdout is sys.__stdout__ and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(_Descriptor(_STDOUT, "w", closefd=False)),
            sys.stdout.encoding,
            sys.stdout.errors,
            line_buffering=sys.stdout.line_buffering,
        )


def give_up_stdout() -> None:
    """Lets go what is still to be written: Python would fail once more when it flushes stdout at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
