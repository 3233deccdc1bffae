"""Time to generate a schema: a predictor of 2,000 lines that needs 20 local modules. The limit is 150 ms.

python -m bench.schema_generation
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from coglet_schema import dump, generate

MODULES = 20
LINES = 2_000
ROUNDS = 21

MODULE = """
from dataclasses import dataclass
from typing import Optional
from cog import BaseModel, Input, Path

LIMIT_{n} = 1{n}
SIZES = ["small", "medium", "large"]

class Box{n}(BaseModel):
    x: int
    y: int
    label: Optional[str] = None

class Report{n}(BaseModel):
    boxes: list[Box{n}]
    scores: dict[str, float]
    preview: Path

class Inputs{n}:
    size = Input(default="small", choices=SIZES, description="Size of part {n}")

    @staticmethod
    def steps(default: int = 20) -> int:
        return Input(default=default, ge=1, le=LIMIT_{n})
"""

HELPER = '''
def helper_{n}(values: list[float], factor: float = 1.5) -> list[float]:
    """Does something with numbers."""
    results = []
    for index, value in enumerate(values):
        if value > factor and index % 2 == 0:
            results.append(value * factor + {n})
        elif value < 0:
            raise ValueError(f"value {{value}} at {{index}} is negative")
        else:
            results.append({{"a": [1, 2, 3], "b": (value, factor)}}["a"][0])
    return sorted(results, key=lambda item: -item)
'''


def write_project(folder: Path) -> None:
    numbers = range(MODULES)
    for n in numbers:
        (folder / f"part{n}.py").write_text(MODULE.format(n=n))
    imports = "".join(f"from part{n} import Inputs{n}, Report{n}\n" for n in numbers)
    fields = "".join(f"    part{n}: Report{n}\n" for n in numbers)
    inputs = "".join(
        f"        size{n}: str = Inputs{n}.size,\n        steps{n}: int = Inputs{n}.steps(default={n + 1}),\n"
        for n in numbers
    )
    head = f"from cog import BaseModel, BaseRunner\n{imports}\n\nclass Output(BaseModel):\n{fields}\n"
    tail = f"\n\nclass Runner(BaseRunner):\n    def run(\n        self,\n{inputs}    ) -> Output: ...\n"
    body, count = "", 0
    while len((head + body + tail).splitlines()) < LINES:
        body, count = body + HELPER.format(n=count), count + 1
    (folder / "run.py").write_text(head + body + tail)


def milliseconds(action: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    start = clock()
    action()
    return (clock() - start) * 1000


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_project(folder)
        lines = len((folder / "run.py").read_text().splitlines())
        first = milliseconds(lambda: generate(folder, "run.py:Runner"))
        times = sorted(milliseconds(lambda: generate(folder, "run.py:Runner")) for _ in range(ROUNDS))
        busy = [
            milliseconds(lambda: generate(folder, "run.py:Runner"), time.process_time) for _ in range(ROUNDS)
        ]
        document = generate(folder, "run.py:Runner")
        command = [sys.executable, "-m", "coglet_schema", name, "run.py:Runner"]
        whole = milliseconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
        print(f"predictor of {lines} lines, {MODULES} local modules, document of {len(dump(document))} bytes")
        print(f"generate(), first call with its imports:   {first:7.1f} ms")
        print(f"generate(), median of {ROUNDS}:               {statistics.median(times):7.1f} ms")
        print(f"generate(), fastest and slowest:          {times[0]:7.1f} ms {times[-1]:7.1f} ms")
        print(f"generate(), median processor time:        {statistics.median(busy):7.1f} ms")
        print(f"dump(), once:                             {milliseconds(lambda: dump(document)):7.1f} ms")
        print(f"the command cog-schema-gen as a whole:    {whole:7.1f} ms")


if __name__ == "__main__":
    main()
