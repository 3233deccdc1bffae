"""Yields many items; the client receives them in one response."""

from collections.abc import Iterator

from cog import BasePredictor


class Predictor(BasePredictor):
    def predict(self, count: int) -> Iterator[str]:
        for number in range(count):
            yield f"item {number}"
