"""Creates a file when it starts, then computes until it is canceled."""

from pathlib import Path

from cog import BasePredictor


class Predictor(BasePredictor):
    def predict(self, started: str) -> str:
        Path(started).touch()
        number = 0
        while True:
            number += 1
