"""replicate-api.md 9: trainings, with the official Python client, unmodified."""

from typing import Any

import pytest
from integration.conftest import Serve
from integration.hosted_models import TRAINING
from testing.model import Model
from testing.official_client import PYTHON, ask, url_of

pytestmark = [
    pytest.mark.ours("replicate-api.md: the peer does not serve the hosted API"),
    pytest.mark.skipif(not PYTHON, reason="scripts/test makes the environment of the client"),
]


def test_trainings(serve: Serve) -> None:
    def run() -> Any:
        import time

        import replicate

        version = replicate.models.get("me/model").latest_version.id
        training = replicate.trainings.create(
            model="me/model", version=version, input={"steps": 2}, destination="me/trained"
        )
        while training.status not in ("succeeded", "failed", "canceled"):
            time.sleep(0.05)
            training.reload()
        found = replicate.trainings.get(training.id)
        canceled = replicate.trainings.cancel(training.id)
        return [
            [found.status, found.output, found.logs, found.destination],
            canceled.status,
            [each.id for each in replicate.trainings.list()] == [training.id],
        ]

    model = Model(TRAINING, ref="predict.py:train")
    with serve(
        model,
        variables={"COG_MODEL_NAME": "me/model", "COG_TRAIN_TYPE_STUB": "predict.py:train"},
        flags=["--x-mode", "train"],
    ) as server:
        assert ask(url_of(server), run) == [
            ["succeeded", "weightsweights", "training\n", "me/trained"],
            "succeeded",
            True,
        ]
