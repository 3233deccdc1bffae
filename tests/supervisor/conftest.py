"""What several tests of the supervisor need."""

import os
from collections.abc import Iterator

import pytest

from coglet_supervisor.server_log import LineWriter, ServerLog, format_json


@pytest.fixture
def server_log() -> Iterator[ServerLog]:
    """A log that is written nowhere, and no handler of `logging`."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    log = ServerLog(LineWriter(descriptor), format_json, "error")
    yield log
    log.drain()
    os.close(descriptor)
