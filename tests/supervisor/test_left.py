"""Predictions that were left to the next server."""

from pathlib import Path
from typing import Any

import pytest
from testing.waiting import settle, wait_until
from tests.supervisor.kept import SlowStore
from tests.supervisor.running import Bench
from tests.supervisor.serving import Service, Site

from coglet_supervisor.client_tasks import ClientTasks
from coglet_supervisor.server_log import ServerLog


@pytest.fixture
async def site(tmp_path: Path, server_log: ServerLog, clients: ClientTasks) -> Any:
    store = SlowStore(is_durable=True)
    site = Site(Service(Bench(tmp_path, records=store, queue_size=1), server_log), clients)
    for prediction_id in ("runs", "left"):
        caller = site.call("POST", "/predictions", {"id": prediction_id}, prefer="respond-async")
        await settle()
        store.write_all()
        await wait_until(lambda caller=caller: caller.is_answered)  # type: ignore[misc]
    site.served.service.stop_waiting("the server was stopped")
    yield site
    await site.close()


async def test_one_can_be_canceled(site: Site) -> None:
    assert (await site.ask("POST", "/predictions/left/cancel")).status == 200
    store = site.served.bench.records
    assert isinstance(store, SlowStore)
    store.write_all()
    assert (await site.ask("GET", "/predictions/left")).json()["status"] == "canceled"


async def test_one_cannot_be_deleted(site: Site) -> None:
    answer = await site.ask("DELETE", "/predictions/left")
    assert (answer.status, answer.json()) == (
        409,
        {"detail": "prediction 'left' waits for the next start of the server; cancel it first"},
    )
    assert (await site.ask("GET", "/predictions/left")).json()["status"] == "starting"
