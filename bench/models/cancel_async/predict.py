"""Waits until it is canceled, and shows by a file that it has begun."""

import asyncio
from pathlib import Path

from cog import BasePredictor


class Predictor(BasePredictor):
    async def predict(self, started: str) -> str:
        Path(started).touch()  # noqa: ASYNC240 - microseconds, once
        await asyncio.Event().wait()
        return "never"
