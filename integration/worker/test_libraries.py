"""Models on pydantic 1, pydantic 2 and numpy, in environments that hold nothing else (runtime.md 6.3)."""

import functools
import os
import subprocess
from pathlib import Path
from typing import Final

import jsonschema_rs
import pytest
from testing.worker import Launch, spawn

from coglet_schema import generate

_INTERPRETERS: Final = "PYCOGLET_EXTRA_PYTHONS"
"""Colon-separated interpreters with the core of pycoglet and any of the libraries below."""

_VERSIONS: Final = """
from importlib.metadata import PackageNotFoundError, version
for name in ("pydantic", "numpy", "pillow"):
    try: print(f"{name} {version(name).partition('.')[0]}")
    except PackageNotFoundError: pass
"""


@functools.cache
def libraries(python: str) -> list[str]:
    """Return the libraries that are installed for `python`: names with their major version."""
    done = subprocess.run([python, "-c", _VERSIONS], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def pythons_with(*wanted: str) -> "pytest.MarkDecorator":
    """Run a test under each interpreter that has one of these, in any or in this major version."""
    pythons = filter(None, os.environ.get(_INTERPRETERS, "").split(os.pathsep))
    cases = [
        pytest.param(Path(python), id=library)
        for python in pythons
        for library in libraries(python)
        if library in wanted or library.partition(" ")[0] in wanted
    ]
    return pytest.mark.parametrize("python", cases)


PYDANTIC = """
    import enum, typing
    import cog
    from pydantic import BaseModel

    class Color(enum.Enum):
        RED = "red"

    class Part(BaseModel):
        name: str
        size: typing.Optional[int] = None

    class Whole(BaseModel):
        parts: typing.List[Part]
        color: Color = Color.RED
        tags: typing.Set[str] = {"one"}

    class Runner(cog.BaseRunner):
        def run(self, name: str) -> Whole:
            whole = Whole(parts=[Part(name=name)])
            return {"whole": whole, "parts": whole.parts, "nothing": None}
"""


@pythons_with("pydantic")
def test_pydantic_models_become_objects(python: Path) -> None:
    with spawn(python, PYDANTIC, Launch()) as worker:
        part = {"name": "a", "size": None}
        assert worker.predict(name="a").result().output == {
            "whole": {"parts": [part], "color": "red", "tags": ["one"]},
            "parts": [part],
            "nothing": None,
        }


@pythons_with("pydantic")
def test_pydantic_models_are_streamed(python: Path) -> None:
    source = "from pydantic import BaseModel\nclass A(BaseModel):\n    n: int\n"
    source += "class Runner:\n    async def run(self):\n        for n in range(3): yield A(n=n)\n"
    with spawn(python, source, Launch()) as worker:
        assert worker.predict().result().output == [{"n": 0}, {"n": 1}, {"n": 2}]


FILE_INSIDE = """
    import pathlib
    from typing import List
    import cog
    from pydantic import BaseModel

    class Answer(BaseModel):
        image: pathlib.Path
        more: dict
        typed: List[cog.Path] = []

    class Runner:
        def run(self):
            file = cog.Path("a.txt")
            file.write_text("data")
            return Answer(image=file, more={"again": file}, typed=[file, "a.txt"])
"""


@pythons_with("pydantic")
def test_files_inside_pydantic_models_are_handed_over(python: Path) -> None:
    with spawn(python, FILE_INSIDE, Launch()) as worker:
        result = worker.predict().result()
        files = [result.output["image"], result.output["more"]["again"], *result.output["typed"]]
        assert {result.placeholders[each].content for each in files} == {b"data"}
        assert len(set(files)) == 4


PYDANTIC_TYPES = """
import decimal, enum, typing, uuid
from datetime import date, datetime, time, timedelta
from pydantic import (
    AnyUrl, BaseModel, ByteSize, HttpUrl, IPvAnyAddress, PositiveInt, SecretStr, StrictBool, UUID4, confloat,
    conlist, constr,
)

class Kind(enum.Enum):
    GOOD = "good"

class Size(typing.NamedTuple):
    width: int
    height: int

class Answer(BaseModel):
    made: datetime = datetime(2026, 11, 20, 18, 20, 38)
    day: date = date(2026, 11, 20)
    at: time = time(18, 20, 38)
    took: timedelta = timedelta(seconds=90)
    price: decimal.Decimal = decimal.Decimal("1.50")
    id: UUID4
    page: HttpUrl
    any: AnyUrl
    host: IPvAnyAddress
    token: SecretStr
    bytes: ByteSize
    count: PositiveInt
    done: StrictBool = True
    ratio: confloat(ge=0)
    name: constr(max_length=9)
    words: conlist(str)
    kind: Kind = Kind.GOOD
    size: Size
    many: typing.List[date] = []

def run() -> Answer:
    return Answer(
        id=uuid.UUID(int=(4 << 76) + (2 << 62)), page="http://example.com/a", any="s3://bucket/key",
        host="127.0.0.1", token="hush", bytes="1kb", count=1, ratio=0.5, name="n", words=["a"],
        size=Size(1, 2),
    )
"""
ANSWER = {
    "made": "2026-11-20T18:20:38",
    "day": "2026-11-20",
    "at": "18:20:38",
    "took": "PT1M30S",
    "price": "1.50",
    "id": "00000000-0000-4000-8000-000000000000",
    "page": "http://example.com/a",
    "any": "s3://bucket/key",
    "host": "127.0.0.1",
    "token": "**********",
    "bytes": 1000,
    "count": 1,
    "done": True,
    "ratio": 0.5,
    "name": "n",
    "words": ["a"],
    "kind": "good",
    "size": [1, 2],
    "many": [],
}


@pythons_with("pydantic")
def test_the_types_of_pydantic_become_what_the_schema_says(python: Path, tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(PYDANTIC_TYPES)
    schema = generate(tmp_path, "run.py:run")["components"]["schemas"]["Output"]
    with spawn(python, PYDANTIC_TYPES, Launch(ref="predict.py:run")) as worker:
        output = worker.predict().result().output
    assert output == ANSWER
    jsonschema_rs.validate(schema, output)


NUMPY = """
    import cog
    import numpy as np

    class Runner:
        def run(self, what: str):
            return {
                "integer": np.int64(2**62),
                "float32": np.float32(0.5),
                "float64": np.float64(0.1),
                "boolean": [np.bool_(True)],
                "array": {"a": np.arange(4).reshape(2, 2)},
                "empty": np.zeros((0, 3)),
                "scalar array": np.array(5),
                "text": np.str_("é"),
                "list": [np.uint8(1), np.float16(0.25)],
                "nan": {"a": np.array([1.0, np.nan])},
                "large": np.zeros(2_000_000),
            }[what]
"""
CONVERTED = {
    "integer": 2**62,
    "float32": 0.5,
    "float64": 0.1,
    "boolean": [True],
    "array": {"a": [[0, 1], [2, 3]]},
    "empty": [],
    "scalar array": 5,
    "text": "é",
    "list": [1, 0.25],
    "large": [0.0] * 2_000_000,
}


@pythons_with("numpy")
def test_numpy_values_become_numbers_and_lists(python: Path) -> None:
    with spawn(python, NUMPY, Launch()) as worker:
        for what, value in CONVERTED.items():
            assert worker.predict(what=what).result().output == value


@pythons_with("numpy")
def test_a_nan_in_an_array_is_named(python: Path) -> None:
    with spawn(python, NUMPY, Launch()) as worker:
        error = worker.predict(what="nan").result().error
        assert error.endswith("NaN and infinity are not JSON numbers (at output['a'][1])")


PILLOW = """
    import cog
    from PIL import Image

    class Runner:
        def run(self, image: cog.Path, width: int) -> cog.Path:
            with Image.open(image) as original:
                original.resize((width, width)).save("out.png")
            return cog.Path("out.png")
"""
DOT = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


@pythons_with("pillow")
def test_an_image_goes_in_and_comes_out(python: Path) -> None:
    with spawn(python, PILLOW, Launch()) as worker:
        output = worker.predict(image=DOT, width=3).result().output
        assert (output.name, output.content[:8]) == ("out.png", b"\x89PNG\r\n\x1a\n")


@pythons_with("pydantic", "numpy")
def test_we_import_neither(python: Path) -> None:
    source = "import sys\ndef Runner(): return sorted({'numpy', 'pydantic'} & set(sys.modules))\n"
    with spawn(python, source, Launch()) as worker:
        assert worker.predict().result().output == []
