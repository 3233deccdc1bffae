"""stdin, stdout and stderr of a process that may have been started without them, as by a daemon wrapper."""

import os
from typing import Final

_LAST: Final = 2


def fill_standard_streams() -> None:
    """Open `/dev/null` for each of them that is closed. Call it before anything else is opened.

    The system assigns the lowest free number to the next descriptor. So a connection to a client could become
    stderr, and the log would be sent to the client.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _LAST:
        os.set_inheritable(descriptor, True)  # like the descriptors that a process is started with
    os.close(descriptor)
