"""Inputs are converted as the schema says, whatever the annotations evaluate to at run time."""

import pytest
from integration.conftest import Serve
from testing.model import Model

pytestmark = pytest.mark.ours(
    "annotations alone decide there, and one that cannot be evaluated ends it for all"
)

HIDDEN = """
from __future__ import annotations
from typing import TYPE_CHECKING
from cog import BasePredictor
if TYPE_CHECKING:
    from cog import Path, Secret

class Predictor(BasePredictor):
    def predict(self, token: Secret, tokens: list[Secret], image: Path, count: int) -> str:
        print(token, tokens)
        return f"{token} {image.read_text()} {count!r}"
"""
GIVEN = {"token": "hush-1", "tokens": ["hush-2"], "image": "data:,hello", "count": 3.0}
UNCLEAR = """
from typing import Union
from cog import BasePredictor, Path

class Predictor(BasePredictor):
    def predict(self, image: Union[str, Path]) -> str:
        return str(image)
"""


def test_names_that_only_a_type_checker_sees(serve: Serve) -> None:
    with serve(Model(HIDDEN)) as server:
        answer = server.predict(GIVEN).json()
    assert answer["output"] == "********** hello 3"
    assert "hush" not in answer["logs"]


def test_the_secrets_of_a_list_are_masked_for_a_client_that_attaches(serve: Serve) -> None:
    waiting = HIDDEN.replace("print(", "import time; time.sleep(60); print(")
    with serve(Model(waiting)) as server:
        server.start(GIVEN, id="p")
        snapshot = server.peek("p")
        server.cancel("p")
    assert snapshot is not None
    assert snapshot["input"]["tokens"] == ["**********"]


def test_what_nothing_describes_fails_the_setup(serve: Serve) -> None:
    with serve(Model(UNCLEAR), until="SETUP_FAILED") as server:
        logs = server.health()["setup"]["logs"]
    assert "the annotation of input `image`, `Union[str, cog._path.Path]`, is ambiguous for a text" in logs
