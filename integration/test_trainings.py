"""runtime.md 14: trainings."""

from collections.abc import Iterator
from typing import Any

import pytest
from integration.conftest import Serve
from testing.model import Model, inputs
from testing.server import Server
from testing.waiting import wait_for

TRAIN = {"COG_TRAIN_TYPE_STUB": "predict.py:train"}
FLAGS = ["--x-mode", "train"]
TRAINER = """
import pathlib, time
import cog

def train(epochs: int, outcome: str = "model") -> str:
    print(f"training for {epochs} epochs", flush=True)
    cog.current_scope().record_metric("epochs", epochs)
    if outcome == "raise":
        raise ValueError("boom")
    while outcome == "hold":
        time.sleep(0.01)
    return outcome + " " + cog.current_scope().context.get("name", "")
"""
PROPERTIES: dict[str, Any] = {"epochs": {"type": "integer"}, "outcome": {"type": "string"}}
COMPONENTS = {
    **inputs({"other": {"type": "string"}}, "other"),
    "TrainingInput": inputs(PROPERTIES, "epochs")["Input"],
    "TrainingOutput": {"title": "TrainingOutput", "type": "string"},
}


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve(Model(TRAINER, COMPONENTS), variables=TRAIN, flags=FLAGS) as server:
        yield server


def train(server: Server, body: dict[str, Any], route: str = "/trainings") -> dict[str, Any]:
    answer: dict[str, Any] = server.request("POST", route, body).json()
    return answer


def test_a_training(server: Server) -> None:
    body = train(server, {"id": "t", "input": {"epochs": 3}, "context": {"name": "x"}})
    assert (body["id"], body["status"], body["output"]) == ("t", "succeeded", "model x")
    assert body["logs"] == "training for 3 epochs\n"
    assert body["metrics"]["epochs"] == 3


def test_put_is_idempotent(server: Server) -> None:
    answer = server.request("PUT", "/trainings/named", {"input": {"epochs": 1}})
    assert (answer.status, answer.json()["id"]) == (200, "named")


def test_it_is_validated_as_a_training(server: Server) -> None:
    assert train(server, {"input": {}})["detail"][0]["loc"] == ["body", "input", "epochs"]


def test_a_training_that_raises(server: Server) -> None:
    body = train(server, {"input": {"epochs": 1, "outcome": "raise"}})
    assert (body["status"], body["error"]) == (
        "failed",
        "Prediction failed: Training failed: ValueError: boom",
    )


def test_a_training_can_be_canceled(server: Server) -> None:
    body = {"id": "long", "input": {"epochs": 1, "outcome": "hold"}}
    assert server.request("POST", "/trainings", body, {"Prefer": "respond-async"}).status == 202
    wait_for(lambda: attached(server, "long"), "log of the training")
    assert server.request("POST", "/trainings/long/cancel").json() == {}
    wait_for(lambda: server.health()["status"] == "READY", "free slot")


def attached(server: Server, training_id: str) -> bool:
    answer = server.request("PUT", f"/trainings/{training_id}", {})
    return answer.status == 202 and "training for" in answer.json()["logs"]


def test_a_stream_is_406(server: Server) -> None:
    accept = {"Accept": "text/event-stream"}
    answer = server.request("POST", "/trainings", {"input": {"epochs": 1}}, accept)
    assert (answer.status, answer.json()) == (
        406,
        {"error": "Training endpoints do not support streaming responses."},
    )


def test_the_predictions_route_trains_too(serve: Serve) -> None:
    components = {**COMPONENTS, "Input": COMPONENTS["TrainingInput"]}
    with serve(Model(TRAINER, components), variables=TRAIN, flags=FLAGS) as server:
        assert train(server, {"input": {"epochs": 1}}, "/predictions")["output"] == "model "


def test_in_predict_mode_the_trainings_route_predicts(serve: Serve) -> None:
    source = (
        "class Predictor:\n    def run(self, epochs: int, outcome=None) -> str:\n        return 'predicted'\n"
    )
    with serve(Model(source, COMPONENTS)) as server:
        assert train(server, {"input": {"epochs": 1}})["output"] == "predicted"


def test_an_async_training(serve: Serve) -> None:
    source = (
        "async def train(epochs: int) -> str:\n"
        "    if epochs == 0:\n"
        "        raise ValueError('boom')\n"
        "    return 'trained'\n"
    )
    with serve(Model(source, COMPONENTS), variables=TRAIN, flags=FLAGS) as server:
        assert train(server, {"input": {"epochs": 1}})["output"] == "trained"
        error = train(server, {"input": {"epochs": 0}})["error"]
        assert error == "Prediction failed: Async training failed: ValueError: boom"


def test_a_class_with_both_methods(serve: Serve) -> None:
    source = (
        "class Trainer:\n"
        "    def setup(self):\n"
        "        self.base = 10\n"
        "    def run(self) -> int:\n"
        "        return 0\n"
        "    def train(self, epochs: int) -> int:\n"
        "        return self.base + epochs\n"
    )
    variables = {"COG_TRAIN_TYPE_STUB": "predict.py:Trainer"}
    with serve(
        Model(source, {**COMPONENTS, "TrainingOutput": {}}), variables=variables, flags=FLAGS
    ) as server:
        assert train(server, {"input": {"epochs": 1}})["output"] == 11


def test_a_class_without_train(serve: Serve) -> None:
    source = "class Trainer:\n    def run(self) -> int:\n        return 0\n"
    variables = {"COG_TRAIN_TYPE_STUB": "predict.py:Trainer"}
    with serve(Model(source, COMPONENTS), variables=variables, flags=FLAGS) as server:
        body = train(server, {"input": {"epochs": 1}})
        assert (body["status"], body["error"]) == ("failed", "Training not supported by this predictor")


@pytest.mark.ours("runtime.md 14: a class may have train alone; the peer does not load it")
def test_a_class_with_train_alone(serve: Serve) -> None:
    source = "class Trainer:\n    def train(self, epochs: int) -> int:\n        return epochs\n"
    variables = {"COG_TRAIN_TYPE_STUB": "predict.py:Trainer"}
    with serve(
        Model(source, {**COMPONENTS, "TrainingOutput": {}}), variables=variables, flags=FLAGS
    ) as server:
        assert train(server, {"input": {"epochs": 2}})["output"] == 2


def test_the_schema_decides_whether_the_output_is_a_list(serve: Serve) -> None:
    components = {**COMPONENTS, "TrainingOutput": {"type": "array", "items": {"type": "string"}}}
    with serve(Model(TRAINER, components), variables=TRAIN, flags=FLAGS) as server:
        assert train(server, {"input": {"epochs": 1}})["output"] == ["model "]
