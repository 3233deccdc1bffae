"""replicate-api.md 7: webhooks of the hosted API."""

from pathlib import Path
from typing import Any

import pytest
from testing.receiver import Receiver
from tests.supervisor.hosting import CREATE, IDENTITY, SCHEMA, TRAIN, create, problem
from tests.supervisor.running import Bench
from tests.supervisor.serving import Service, Site

from coglet_supervisor.client_tasks import ClientTasks
from coglet_supervisor.server_log import ServerLog


@pytest.mark.parametrize("path", [CREATE, TRAIN], ids=["prediction", "training"])
async def test_webhooks_have_the_bodies_of_the_api(
    tmp_path: Path, server_log: ServerLog, clients: ClientTasks, path: str
) -> None:
    served = Service(Bench(tmp_path, token="sesame"), server_log)
    served.service.use_schema(SCHEMA, ignore_unknown=False)
    hosted = Site(served, clients, hosted_identity=IDENTITY, token="sesame")
    token: Any = {"authorization": "Bearer sesame"}
    with Receiver().listening() as receiver:
        answer = await create(hosted, path, fields={"webhook": receiver.url, "stream": True}, **token)
        served.end(answer.json()["id"])
        await hosted.webhooks.wait_delivered()
        *_, end = receiver.bodies()
    shown_at = answer.json()["urls"]["get"].removeprefix("http://server")
    assert end == (await hosted.ask("GET", shown_at, host="server", **token)).json()
    assert set(end["urls"]) == {"get", "cancel", "stream"} - ({"stream"} if path == TRAIN else set())
    await hosted.close()


async def test_a_webhook_without_a_usable_url(hosted: Site) -> None:
    status, text = problem(await create(hosted, fields={"webhook": "ftp://x"}))
    assert (status, text.startswith("webhook: ")) == (422, True)
