"""Fixtures of the supervisor's tests."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.supervisor.hosting import serving_hosted
from tests.supervisor.running import Bench
from tests.supervisor.serving import Service, Site

from coglet_supervisor.client_tasks import ClientTasks
from coglet_supervisor.server_log import LineWriter, ServerLog, format_json


@pytest.fixture
def server_log() -> Iterator[ServerLog]:
    """A server log that writes to /dev/null and does not replace the handlers of `logging`."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    log = ServerLog(LineWriter(descriptor), format_json, "error")
    yield log
    log.drain(2.0)
    os.close(descriptor)


@pytest.fixture
async def served(tmp_path: Path, server_log: ServerLog) -> Service:
    """A service with one slot."""
    return Service(Bench(tmp_path), server_log)


@pytest.fixture
async def clients() -> AsyncIterator[ClientTasks]:
    """The tasks of clients, which end with the test."""
    async with ClientTasks() as clients:
        yield clients


@pytest.fixture
async def site(served: Service, clients: ClientTasks) -> AsyncIterator[Site]:
    """The application of the service `served`."""
    site = Site(served, clients)
    yield site
    await site.close()


@pytest.fixture
async def hosted(served: Service, clients: ClientTasks) -> AsyncIterator[Site]:
    """The application of the service `served` with the hosted API."""
    async with serving_hosted(served, clients) as site:
        yield site
