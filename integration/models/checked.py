"""Its health is what the file `verdict` says, as a Python expression; each check is noted in `checks`."""

import pathlib
import time  # noqa: F401 - for the expressions
from typing import Any

from cog import BasePredictor


class Predictor(BasePredictor):
    def healthcheck(self) -> Any:
        with pathlib.Path("checks").open("a") as checks:
            checks.write("checked\n")
        print("the check speaks")
        return eval(pathlib.Path("verdict").read_text())

    def predict(self, code: str, arguments: Any = None) -> Any:
        namespace: dict[str, Any] = {}
        exec(code, namespace)
        return namespace["predict"](**(arguments or {}))
