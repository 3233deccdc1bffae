"""Streams what the Python that a test sends yields: `code` defines the async generator `predict`."""

from collections.abc import AsyncIterator
from typing import Any

from cog import BasePredictor


class Predictor(BasePredictor):
    async def predict(self, code: str, arguments: Any = None) -> AsyncIterator[Any]:
        namespace: dict[str, Any] = {"__name__": "script"}
        exec(code, namespace)
        async for item in namespace["predict"](**(arguments or {})):
            yield item
