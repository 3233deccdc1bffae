"""How the C library returns freed memory to the kernel."""

import contextlib
import ctypes
from typing import Final

_M_MMAP_THRESHOLD: Final = -3  # malloc.h
_LARGE_BYTES: Final = 1024 * 1024


def return_large_blocks() -> None:
    """From now on, return each block of 1 MiB or more to the kernel as soon as it is freed.

    By default glibc raises this threshold, up to 32 MiB, when large blocks are freed. It then allocates large
    blocks among small ones that stay allocated, so a server that once handled large bodies keeps their
    memory. Other C libraries have no such setting.
    """
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
