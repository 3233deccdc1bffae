"""replicate-api.md 2 and 4: what a body says while a prediction runs, and after its data were removed."""

from collections.abc import AsyncIterator

import pytest
from testing.receiver import Receiver
from tests.supervisor.serving import Service, Site
from tests.supervisor.test_hosted_routes import IDENTITY, create

from coglet_protocol import slot
from coglet_supervisor.client_tasks import ClientTasks

SCHEMA = {
    "components": {
        "schemas": {
            "Input": {"type": "object", "properties": {"n": {"type": "integer"}}},
            "Output": {"type": "array", "items": {"type": "integer"}, "x-cog-array-type": "iterator"},
        }
    }
}


@pytest.fixture
async def site(served: Service, clients: ClientTasks) -> AsyncIterator[Site]:
    served.service.use_schema(SCHEMA, ignore_unknown=False)
    site = Site(served, clients, hosted_identity=IDENTITY)
    yield site
    await site.close()


async def test_outputs_and_metrics_while_it_runs(site: Site) -> None:
    path = f"/v1/predictions/{(await create(site)).json()['id']}"
    site.served.bench.slot.receive(slot.Output(output=b"1", index=0))
    site.served.bench.slot.receive(slot.Metric(name="tokens", value=b"5", mode="replace"))
    body = (await site.ask("GET", path)).json()
    assert (body["status"], body["output"], body["metrics"]) == ("processing", [1], {"tokens": 5})
    site.served.end(body["id"])
    ended = (await site.ask("GET", path)).json()["metrics"]
    assert (ended["tokens"], {"predict_time", "total_time"} <= set(ended)) == (5, True)


async def test_data_that_were_removed(site: Site) -> None:
    prediction_id = (await create(site)).json()["id"]
    run = site.served.service.find(prediction_id)
    assert run is not None
    site.served.end(prediction_id)
    run.recorded.drop_input()
    body = (await site.ask("GET", f"/v1/predictions/{prediction_id}")).json()
    assert (body["data_removed"], body["input"], body["status"]) == (True, None, "succeeded")


async def test_the_order_of_webhooks(site: Site) -> None:
    with Receiver().listening() as receiver:
        prediction_id = (await create(site, fields={"webhook": receiver.url})).json()["id"]
        site.served.bench.slot.receive(slot.Log(source="stdout", data="said\n"))
        site.served.bench.slot.receive(slot.Output(output=b"1", index=0))
        site.served.end(prediction_id)
        await site.webhooks.wait_delivered()
        first, *_, last = receiver.bodies()
    assert (first["status"], last["status"], last["logs"]) == ("processing", "succeeded", "said\n")
