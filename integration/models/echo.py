"""Returns its input as the model got it."""

from typing import Any

from cog import BasePredictor


class Predictor(BasePredictor):
    def predict(self, **inputs: Any) -> Any:
        return inputs
