"""The models that the official clients run."""

MODEL = '''
import os
import time
from typing import Any

from cog import BasePredictor, Input


class Predictor(BasePredictor):
    """Does what it is asked to do."""

    def predict(
        self, text: str = "", number: int = Input(default=1, le=10), do: str = "return"
    ) -> Any:
        print("doing", do)
        if do == "fail":
            raise ValueError(f"cannot {text}")
        while do == "wait" and not os.path.exists(text):
            time.sleep(0.01)
        return [text] * number if do == "repeat" else f"said {text}"
'''
ITERATING = """
from collections.abc import Iterator

import cog
from cog import BasePredictor, ConcatenateIterator


class Predictor(BasePredictor):
    @cog.streaming
    def predict(self, text: str) -> ConcatenateIterator[str]:
        print("starting")
        for word in text.split("_"):
            yield word
"""
WITH_FILES = """
from cog import BasePredictor, File, Input, Path


class Predictor(BasePredictor):
    def predict(self, file: Path, other: File = None, repeat: int = 1) -> Path:
        print(file.suffix)
        text = file.read_text() + (other.read().decode() if other else "")
        output = Path("out.txt")
        output.write_text(text.upper() * repeat)
        return output
"""
TRAINING = """
def train(steps: int) -> str:
    print("training")
    return "weights" * steps
"""
NAME = {"COG_MODEL_NAME": "me/model"}
SECRET = "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0"
