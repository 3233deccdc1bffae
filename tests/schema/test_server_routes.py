"""The document that a server publishes with all its routes."""

import copy
from pathlib import Path

from openapi_spec_validator import validate

from coglet_schema import generate_combined, with_server_routes

MODEL = "def run(a: int) -> str: ...\ndef train(b: int) -> str: ...\n"


def test_idempotent_creation_webhooks_context_and_shutdown_are_added(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(MODEL)
    document = generate_combined(tmp_path, "run.py:run", "run.py:train")
    stored = copy.deepcopy(document)
    full = with_server_routes(document)
    validate(full)
    assert document == stored
    new_routes = {path: list(item) for path, item in full["paths"].items() if path not in document["paths"]}
    assert new_routes == {
        "/predictions/{prediction_id}": ["put"],
        "/trainings/{training_id}": ["put"],
        "/shutdown": ["post"],
    }
    for name in ("PredictionRequest", "TrainingRequest"):
        properties = full["components"]["schemas"][name]["properties"]
        assert list(properties) == ["id", "input", "context", "webhook", "webhook_events_filter"]


def test_a_model_that_does_not_train_has_no_routes_for_trainings(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(MODEL)
    full = with_server_routes(generate_combined(tmp_path, "run.py:run", None))
    assert not [path for path in full["paths"] if "training" in path]
