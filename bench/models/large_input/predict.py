"""Returns whether its input is the expected 32 MiB."""

from cog import BasePredictor

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


class Predictor(BasePredictor):
    def setup(self) -> None:
        self.expected = ALPHABET * (32 * 1024 * 1024 // len(ALPHABET))

    def predict(self, text: str) -> bool:
        return text == self.expected
