"""The smallest model: text in, text out."""

from cog import BasePredictor, Input


class Predictor(BasePredictor):
    def predict(self, name: str = Input(description="Who is greeted", max_length=100)) -> str:
        return f"Hello, {name}!"
