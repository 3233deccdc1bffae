"""Holds its slot for 50 ms without using the processor, like a call to another service."""

import asyncio

from cog import BasePredictor


class Predictor(BasePredictor):
    async def predict(self, name: str) -> str:
        await asyncio.sleep(0.05)
        return f"hello {name}"
