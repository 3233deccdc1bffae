"""Which predictions are accepted, the order of the checks, and the table of predictions in flight."""

import asyncio
from typing import Any

import msgspec
import pytest
from tests.supervisor.serving import Service

from coglet_supervisor.predictions.problems import InvalidInput
from coglet_supervisor.predictions.service import (
    MAX_CONTEXT_BYTES,
    AlreadyRunning,
    AtCapacity,
    BadRequest,
    Draining,
    NotReady,
)
from coglet_supervisor.predictions.untrusted_json import NotJson

SCHEMA = {"components": {"schemas": {"Input": {"type": "object", "properties": {"n": {"type": "integer"}}}}}}


async def test_a_prediction_is_found_until_its_end(served: Service) -> None:
    run = served.create()
    assert served.service.find("p") is run
    served.end()
    assert served.service.find("p") is None
    assert run.prediction.status == "succeeded"


async def test_without_an_id_it_gets_one(served: Service) -> None:
    run = served.create(None)
    assert served.service.find(run.id) is run


async def test_runs_are_numbered(served: Service) -> None:
    first = served.create()
    served.end()
    second = served.create()
    assert (first.sequence, second.sequence) == (1, 2)
    assert first.folder.path != second.folder.path


async def test_refusals_in_their_order(served: Service) -> None:
    """An id in flight is reported whatever else is wrong; a busy slot is reported last."""
    served.create()
    served.is_shutting_down, served.state = True, "STARTING"
    with pytest.raises(AlreadyRunning, match="Prediction 'p' is already running"):
        served.create()
    with pytest.raises(Draining):
        served.create("q")
    served.is_shutting_down = False
    with pytest.raises(NotReady):
        served.create("q")
    served.state = "READY"
    with pytest.raises(AtCapacity):
        served.create("q")
    assert served.service.find("q") is None


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"prediction_id": ""}, BadRequest),
        ({"prediction_id": "x" * 10_000}, BadRequest),
        ({"context": {"a": "x" * MAX_CONTEXT_BYTES}}, BadRequest),
        ({"input_json": b"["}, NotJson),
        ({"input_json": b"[]"}, InvalidInput),
        ({"input_json": b'{"n":"x"}'}, InvalidInput),
    ],
    ids=["no id", "long id", "large context", "no JSON", "no object", "wrong type"],
)
async def test_a_rejected_prediction_leaves_no_trace(
    served: Service, fields: dict[str, Any], error: type[Exception]
) -> None:
    served.service.use_schema(SCHEMA, ignore_unknown=False)
    with pytest.raises(error):
        served.create(**fields)
    assert served.bench.pool.free == 1
    await served.service.wait_empty()


async def test_a_cancel_reaches_the_run_of_that_id(served: Service) -> None:
    served.create()
    assert not served.service.cancel("q")
    assert served.bench.owner.cancels == 0
    assert served.service.cancel("p")
    assert served.service.cancel("p")
    assert served.bench.owner.cancels == 1


async def test_everything_in_flight_is_canceled_and_counted(served: Service) -> None:
    assert served.service.cancel_all() == 0
    served.create()
    assert served.service.cancel_all() == 1
    assert served.bench.owner.cancels == 1


async def test_waiting_ends_with_the_last_run(served: Service) -> None:
    await served.service.wait_empty()
    served.create()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(served.service.wait_empty())
        await asyncio.sleep(0)
        assert not waiting.done()
        served.end()


async def test_observers_see_the_start_and_the_end_of_each_run(served: Service) -> None:
    served.create()
    assert served.observed.seen == [("created p", "starting")]  # before its first step
    served.end()
    served.is_shutting_down = True
    with pytest.raises(Draining):
        served.create("rejected")
    assert served.observed.seen == [("created p", "starting"), ("ended p", "succeeded")]


async def test_observers_see_runs_of_an_earlier_server(served: Service) -> None:
    run = served.create()
    record = run.recorded.record()
    served.end()
    served.observed.seen.clear()
    restored = served.service.restore(record)
    served.service.place(restored)
    restored.resume()
    assert served.observed.seen == [("created p", "starting")]
    served.end()
    assert served.observed.seen[-1] == ("ended p", "succeeded")


async def test_observers_see_a_run_that_is_left_to_the_next_server(served: Service) -> None:
    run = served.create()
    left = served.service.restore(msgspec.structs.replace(run.recorded.record(), id="left"))
    left.leave()
    left.resume()
    assert served.observed.seen[1:] == [("created left", "starting"), ("ended left", "starting")]
