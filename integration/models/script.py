"""Runs the Python that a test sends: `code` defines `predict`, which is called with `arguments`."""

from typing import Any

from cog import BasePredictor


class Predictor(BasePredictor):
    def setup(self) -> None:
        self.memory: dict[str, Any] = {}

    def predict(self, code: str, arguments: Any = None) -> Any:
        namespace: dict[str, Any] = {"__name__": "script", "memory": self.memory}
        exec(code, namespace)
        return namespace["predict"](**(arguments or {}))
