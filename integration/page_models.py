"""Models for the tests and the pictures of the page."""

from typing import Final

PAINTER: Final = """
import struct
import time
import zlib
from typing import Optional

from cog import BasePredictor, Input, Path


class Predictor(BasePredictor):
    def setup(self) -> None:
        print("loading 12 tensors")
        print("the model is ready")

    def predict(
        self,
        prompt: str = Input(description="What to paint"),
        size: int = Input(description="Width and height in pixels", default=320, ge=16, le=1024),
        palette: str = Input(default="sea", choices=["sea", "fire", "moss"]),
        seed: Optional[int] = Input(description="For the same picture again", default=None),
        image: Optional[Path] = Input(description="A picture to start from", default=None),
    ) -> Path:
        start = time.monotonic()
        tints = {"sea": (40, 110, 190), "fire": (210, 90, 40), "moss": (80, 140, 70)}[palette]
        rows = bytearray()
        number = (seed or len(prompt)) % 97 + 3
        for y in range(size):
            rows.append(0)
            for x in range(size):
                wave = ((x * x + y * number * 7) // (size // 4)) % 90
                rows += bytes(max(0, min(255, tint + wave - y * 60 // size)) for tint in tints)
            if y % (size // 4) == 0:
                print(f"row {y} of {size}")

        def chunk(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
        png = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(rows), 9)) + chunk(b"IEND", b"")
        path = Path("painted.png")
        path.write_bytes(b"\\x89PNG\\r\\n\\x1a\\n" + png)
        print(f"painted in {time.monotonic() - start:.2f} s")
        return path
"""

TELLER: Final = """
import time
from typing import List

from cog import BasePredictor, ConcatenateIterator, Input, Secret, streaming


class Predictor(BasePredictor):
    @streaming
    def predict(
        self,
        prompt: str = Input(description="How the text begins", max_length=200),
        words: int = Input(default=40, ge=0, le=2000),
        pause: float = Input(description="Seconds between two words", default=0.0, ge=0, le=10),
        polite: bool = Input(default=True),
        stops: List[str] = Input(description="Words that end the text", default=[]),
        key: Secret = Input(default=None),
    ) -> ConcatenateIterator[str]:
        text = "the sea was calm and the light of the harbor lay on it like a road that leads nowhere".split()
        yield prompt
        for number in range(words):
            word = text[number % len(text)]
            if word in stops:
                print(f"stopped at {word!r}")
                return
            if number % 10 == 0:
                print(f"{number} of {words} words")
            time.sleep(pause)
            yield " " + word
"""

# Returns the JSON value in `value`, as its output; or dies.
ANYTHING: Final = """
import json
import os
import time
from typing import Any, Optional

from cog import BasePredictor, Input


class Predictor(BasePredictor):
    def setup(self) -> None:
        print("<b>setup</b>")

    def predict(self, value: str = "1", say: str = "", sleep: float = 0.0, die: bool = False) -> Any:
        if say:
            print(say, flush=True)
        time.sleep(sleep)
        if die:
            os._exit(3)
        return json.loads(value)
"""
