"""Answers at once: what is left is the server's own time."""

from cog import BasePredictor


class Predictor(BasePredictor):
    def predict(self, name: str) -> str:
        return f"hello {name}"
