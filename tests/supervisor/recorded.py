"""Predictions over the application, for tests of what is kept of them."""

from typing import Any

from tests.supervisor.serving import Site

from coglet_protocol import slot

INPUT = {"type": "object", "properties": {"n": {"type": "integer"}, "key": {"type": "string"}}}
INPUT["properties"]["key"] |= {"format": "password", "x-cog-secret": True}  # type: ignore[index]
SCHEMA = {"components": {"schemas": {"Input": INPUT, "TrainingInput": INPUT}}}
STREAMING = {**SCHEMA, "paths": {"/predictions": {"post": {"x-cog-streaming": True}}}}


async def begin(site: Site, prediction_id: str = "p", path: str = "/predictions", **fields: Any) -> None:
    """Create a prediction, which starts."""
    body = {"id": prediction_id, "input": {"n": 1, "key": "hidden"}, **fields}
    assert (await site.ask("POST", path, body, prefer="respond-async")).status == 202


async def run(site: Site, prediction_id: str = "p", **fields: Any) -> None:
    """Create a prediction, which prints a line and succeeds."""
    await begin(site, prediction_id, **fields)
    site.served.bench.slot.receive(slot.Log(source="stdout", data="said\n"))
    site.served.end(prediction_id)
