"""Returns 32 MiB of text."""

from cog import BasePredictor

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


class Predictor(BasePredictor):
    def setup(self) -> None:
        self.text = ALPHABET * (32 * 1024 * 1024 // len(ALPHABET))

    def predict(self) -> str:
        return self.text
