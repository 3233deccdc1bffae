"""replicate-api.md 2 and 4: what a body says while a prediction runs, and after its data were removed."""

from collections.abc import AsyncIterator

import pytest
from testing.receiver import Receiver
from tests.supervisor.hosting import create, serving_hosted
from tests.supervisor.serving import Service, Site

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
async def hosted(served: Service, clients: ClientTasks) -> AsyncIterator[Site]:
    async with serving_hosted(served, clients, SCHEMA) as site:
        yield site


async def test_outputs_and_metrics_while_it_runs(hosted: Site) -> None:
    path = f"/v1/predictions/{(await create(hosted)).json()['id']}"
    hosted.served.bench.slot.receive(slot.Output(output=b"1", index=0))
    hosted.served.bench.slot.receive(slot.Metric(name="tokens", value=b"5", mode="replace"))
    body = (await hosted.ask("GET", path)).json()
    assert (body["status"], body["output"], body["metrics"]) == ("processing", [1], {"tokens": 5})
    hosted.served.end(body["id"])
    ended = (await hosted.ask("GET", path)).json()["metrics"]
    assert (ended["tokens"], {"predict_time", "total_time"} <= set(ended)) == (5, True)


async def test_data_that_were_removed(hosted: Site) -> None:
    prediction_id = (await create(hosted)).json()["id"]
    run = hosted.served.service.find(prediction_id)
    assert run is not None
    hosted.served.end(prediction_id)
    run.recorded.drop_input()
    body = (await hosted.ask("GET", f"/v1/predictions/{prediction_id}")).json()
    assert (body["data_removed"], body["input"], body["status"]) == (True, None, "succeeded")


async def test_the_order_of_webhooks(hosted: Site) -> None:
    with Receiver().listening() as receiver:
        prediction_id = (await create(hosted, fields={"webhook": receiver.url})).json()["id"]
        hosted.served.bench.slot.receive(slot.Log(source="stdout", data="said\n"))
        hosted.served.bench.slot.receive(slot.Output(output=b"1", index=0))
        hosted.served.end(prediction_id)
        await hosted.webhooks.wait_delivered()
        first, *_, last = receiver.bodies()
    assert (first["status"], last["status"], last["logs"]) == ("processing", "succeeded", "said\n")
