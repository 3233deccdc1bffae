"""stdin, stdout and stderr of a process that was perhaps started without them, as by a daemon wrapper."""

import os
from typing import Final

_LAST: Final = 2


def fill_standard_streams() -> None:
    """Opens `/dev/null` as each of them that is closed, to be called before anything else is opened.

    The system gives the lowest free number to what is opened next. So a connection to a client would become
    stderr, and the log would be sent to the client.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _LAST:
        os.set_inheritable(descriptor, True)  # as those are that a process is started with
    os.close(descriptor)
