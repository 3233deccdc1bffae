"""Streams tokens from an async generator as fast as it can."""

import cog
from cog import AsyncConcatenateIterator, BasePredictor


class Predictor(BasePredictor):
    @cog.streaming
    async def predict(self, count: int) -> AsyncConcatenateIterator[str]:
        for number in range(count):
            yield f"token {number}"
