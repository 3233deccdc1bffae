"""Computes until it is canceled, and shows by a file that it has begun."""

from pathlib import Path

from cog import BasePredictor


class Predictor(BasePredictor):
    def predict(self, started: str) -> str:
        Path(started).touch()
        number = 0
        while True:
            number += 1
