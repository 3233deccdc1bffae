"""Creates a file when it starts, then waits until it is canceled."""

import asyncio
from pathlib import Path

from cog import BasePredictor


class Predictor(BasePredictor):
    async def predict(self, started: str) -> str:
        Path(started).touch()  # noqa: ASYNC240 - microseconds, once
        await asyncio.Event().wait()
        return "never"
