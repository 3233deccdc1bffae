"""Prints many lines, as a chatty library does."""

from cog import BasePredictor


class Predictor(BasePredictor):
    def predict(self, count: int) -> str:
        for number in range(count):
            print(f"line {number}")
        return "printed"
