"""Streams tokens as fast as it can."""

from collections.abc import Iterator

import cog
from cog import BasePredictor


class Predictor(BasePredictor):
    @cog.streaming
    def predict(self, count: int) -> Iterator[str]:
        for number in range(count):
            yield f"token {number}"
