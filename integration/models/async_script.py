"""Runs the Python that a test sends: `code` defines `async def predict`, awaited with `arguments`."""

from typing import Any

from cog import BasePredictor


class Predictor(BasePredictor):
    async def setup(self) -> None:
        self.memory: dict[str, Any] = {}

    async def predict(self, code: str, arguments: Any = None) -> Any:
        namespace: dict[str, Any] = {"__name__": "script", "memory": self.memory}
        exec(code, namespace)
        return await namespace["predict"](**(arguments or {}))
