"""A file system that hangs: a FUSE mount whose server answers nothing after the first request."""

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

# Source: linux/fuse.h. The answer to FUSE_INIT: version 7.31, 16 requests in the background, writes of 4 KiB.
_REQUEST_BYTES: Final = 256 * 1024
_IN_HEADER: Final = struct.Struct("<IIQ")
_OUT_HEADER: Final = struct.Struct("<IiQ")
_INIT: Final = struct.pack("<IIIIHHIIHHI28x", 7, 31, 4096, 0, 16, 12, 4096, 1, 0, 0, 0)
_DETACH: Final = 2  # MNT_DETACH, of sys/mount.h


@contextmanager
def hung_disk(over: Path) -> Iterator[None]:
    """Mount it over a folder for the block: whoever opens a path below waits until killed.

    Requests stay unread, so that the kernel lets the waiting process be killed. Raises OSError where nothing
    can be mounted.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    channel = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={channel},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
    try:
        if libc.mount(b"hung", os.fsencode(over), b"fuse", 0, options.encode()) != 0:
            raise OSError(ctypes.get_errno(), f"cannot mount a file system over {over}")
        try:
            _answer_init(channel)
            yield
        finally:
            libc.umount2(os.fsencode(over), _DETACH)
    finally:
        os.close(channel)  # all who still wait get an error


def _answer_init(channel: int) -> None:
    _, _, unique = _IN_HEADER.unpack_from(os.read(channel, _REQUEST_BYTES))
    os.write(channel, _OUT_HEADER.pack(_OUT_HEADER.size + len(_INIT), 0, unique) + _INIT)
