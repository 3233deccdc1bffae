"""Streams tokens from an async generator as fast as it can."""

from collections.abc import AsyncIterator

import cog
from cog import BasePredictor


class Predictor(BasePredictor):
    @cog.streaming
    async def predict(self, count: int) -> AsyncIterator[str]:
        for number in range(count):
            yield f"token {number}"
