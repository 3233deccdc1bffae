"""Holds the interpreter lock from beginning to end: only a second process helps."""

from cog import BasePredictor


class Predictor(BasePredictor):
    def predict(self, rounds: int) -> int:
        total = 0
        for number in range(rounds):
            total = (total * 31 + number) % 1_000_003
        return total
