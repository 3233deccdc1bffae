"""Its health is what the file `verdict` says: Python that an `async def` could hold."""

import asyncio  # noqa: F401 - for the verdicts
import pathlib
from typing import Any

from cog import BasePredictor


class Predictor(BasePredictor):
    async def healthcheck(self) -> Any:
        verdict = pathlib.Path("verdict").read_text()  # noqa: ASYNC240 - one short line
        exec(f"async def check():\n    {verdict}", globals())
        return await globals()["check"]()

    async def predict(self, code: str) -> Any:
        return code
