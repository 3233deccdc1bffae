"""Inputs with a default of None, as many authors write them: optional, and None in the model."""

from collections.abc import Iterator
from typing import Any

import pytest
from integration.conftest import Serve
from testing.model import Model
from testing.server import Server

SOURCE = """
from cog import BasePredictor, Input, Path

class Predictor(BasePredictor):
    def predict(
        self,
        seed: int = Input(default=None, ge=1),
        text: str = None,
        image: Path = Input(default=None),
        words: list[str] = Input(default=None),
        either: int | str = None,
    ) -> str:
        return repr([seed, text, image, words, either])
"""
ALL_NONE = "[None, None, None, None, None]"
NAMES = ("seed", "text", "image", "words", "either")


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve(Model(SOURCE)) as server:
        yield server


@pytest.mark.ours("the newest peer answers 422; older ones took what authors mean")
@pytest.mark.parametrize("input", [{}, *({name: None} for name in NAMES), dict.fromkeys(NAMES)])
def test_what_is_left_out_or_null_is_none(server: Server, input: dict[str, Any]) -> None:
    body = server.predict(input).json()
    assert (body["status"], body["output"]) == ("succeeded", ALL_NONE)


@pytest.mark.ours("the newest peer requires these inputs")
def test_what_is_given_is_still_checked(server: Server) -> None:
    assert server.predict({"seed": 5, "words": ["a"]}).json()["output"] == "[5, None, None, ['a'], None]"
    assert server.predict({"seed": 0}).status == 422
    assert server.predict({"words": [None]}).status == 422
