from cog import BasePredictor, Input


class Predictor(BasePredictor):
    def predict(self, prompt: str = Input(description="A text")) -> str:
        return f"{prompt}!"
