"""Holds the interpreter lock all the time: only a second process makes it faster."""

from cog import BasePredictor


class Predictor(BasePredictor):
    def predict(self, rounds: int) -> int:
        total = 0
        for number in range(rounds):
            total = (total * 31 + number) % 1_000_003
        return total
