"""What the C library does with memory that was freed."""

import contextlib
import ctypes
from typing import Final

_M_MMAP_THRESHOLD: Final = -3  # malloc.h
_LARGE_BYTES: Final = 1024 * 1024


def give_back_large_blocks() -> None:
    """From now on a block of a MiB or more goes back to the kernel when it is freed.

    glibc learns otherwise from the first ones: it keeps up to 32 MiB each for the next, between smaller ones
    that live on, and a server that was busy with large bodies once stays large. Other C libraries have no
    such setting.
    """
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
