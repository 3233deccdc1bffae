"""Streams tokens as fast as it can."""

import cog
from cog import BasePredictor, ConcatenateIterator


class Predictor(BasePredictor):
    @cog.streaming
    def predict(self, count: int) -> ConcatenateIterator[str]:
        for number in range(count):
            yield f"token {number}"
