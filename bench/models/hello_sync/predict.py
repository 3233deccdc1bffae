"""Returns immediately, so that the time measured is the server's own."""

from cog import BasePredictor


class Predictor(BasePredictor):
    def predict(self, name: str) -> str:
        return f"hello {name}"
