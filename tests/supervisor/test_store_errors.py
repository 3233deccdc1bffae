"""records.md 4: responses while the file with the records cannot be written or read."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from testing.waiting import wait_until
from tests.supervisor.kept import KeptPrediction
from tests.supervisor.running import Bench
from tests.supervisor.serving import Service, Site
from tests.supervisor.stored import finish, found, opened

from coglet_supervisor.client_tasks import ClientTasks
from coglet_supervisor.records.sqlite.store import SqliteStore
from coglet_supervisor.server_log import ServerLog


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with opened(tmp_path / "records.db") as store:
        await finish(store, KeptPrediction())
        yield store


@pytest.fixture
async def site(store: SqliteStore, tmp_path: Path, server_log: ServerLog) -> AsyncIterator[Site]:
    async with ClientTasks() as clients:
        site = Site(Service(Bench(tmp_path, records=store), server_log), clients)
        yield site
        await site.close()


async def response(site: Site, method: str, path: str) -> tuple[int, str]:
    caller = site.call(method, path)
    await wait_until(lambda: caller.is_answered)
    assert caller.status is not None
    return caller.status, caller.json()["detail"]


async def test_a_record_that_cannot_be_deleted(site: Site, store: SqliteStore) -> None:
    store._database.writing.execute("PRAGMA query_only = 1")
    assert await response(site, "DELETE", "/predictions/p") == (
        507,
        "The change was not recorded: attempt to write a readonly database",
    )
    assert (await found(store)).status == "succeeded"


@pytest.mark.parametrize(("method", "path"), [("GET", "/predictions/p"), ("GET", "/predictions")])
async def test_records_that_cannot_be_read(site: Site, store: SqliteStore, method: str, path: str) -> None:
    store._database.writing.execute("ALTER TABLE predictions RENAME TO moved")
    assert await response(site, method, path) == (
        503,
        "The records cannot be read: no such table: predictions",
    )
