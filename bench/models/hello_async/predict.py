"""Returns immediately, in many slots of one event loop."""

from cog import BasePredictor


class Predictor(BasePredictor):
    async def predict(self, name: str) -> str:
        return f"hello {name}"
