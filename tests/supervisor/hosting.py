"""A server with the hosted API over a fake worker: its model, and what the tests ask of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.supervisor.fakes import Caller
from tests.supervisor.serving import Service, Site

from coglet_supervisor.client_tasks import ClientTasks
from coglet_supervisor.pages.hosted.identity import Identity

INPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "n": {"type": "integer", "maximum": 10},
        "key": {"type": "string", "format": "password", "x-cog-secret": True},
    },
}
SCHEMA = {"components": {"schemas": {"Input": INPUT, "TrainingInput": INPUT, "Output": {"type": "integer"}}}}
VERSION = "0f" * 32
IDENTITY = Identity("me", "model", VERSION, 1000.5, "Says something.")
CREATE = "/v1/models/me/model/predictions"
TRAIN = f"/v1/models/me/model/versions/{VERSION}/trainings"


@asynccontextmanager
async def serving_hosted(
    served: Service, clients: ClientTasks, schema: dict[str, Any] = SCHEMA
) -> AsyncIterator[Site]:
    """The application of `served` with the hosted API, for a model with this schema."""
    served.service.use_schema(schema, ignore_unknown=False)
    site = Site(served, clients, hosted_identity=IDENTITY)
    yield site
    await site.close()


async def create(site: Site, path: str = CREATE, n: int = 1, fields: Any = (), **headers: str) -> Caller:
    body = {"input": {"n": n}, **dict(fields)}
    return await site.ask("POST", path, body, host="server", **headers)


def problem(answer: Caller) -> tuple[int | None, str]:
    body = answer.json()
    assert set(body) >= {"title", "detail", "status"}
    assert body["status"] == answer.status
    return answer.status, body["detail"]
