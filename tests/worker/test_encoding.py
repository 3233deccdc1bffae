"""How each value that a model may return is encoded: the rows of runtime.md 6.3."""

import collections
import dataclasses
import datetime
import decimal
import enum
import io
import ipaddress
import json
import math
import os
import pathlib
import tempfile
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cog
from coglet_worker.encoding import EncodingError, encode_json


def encoded(value: object) -> str:
    """The JSON text; a path becomes its name between arrows, a handle that of its type."""
    return encode_json(
        value, lambda file: f"<{file if isinstance(file, os.PathLike) else type(file).__name__}>"
    ).decode()


class Color(enum.Enum):
    RED = "red"
    NESTED = ("a", 1)


class Level(enum.IntEnum):
    LOW = 1


class Name(str, enum.Enum):
    ANNA = "anna"


class Holiday(enum.Enum):
    NEW_YEAR = datetime.date(2026, 1, 1)


class Ticket(uuid.UUID): ...


@dataclasses.dataclass
class Point:
    x: Any
    y: Any = None


class Answer(cog.BaseModel):
    text: str
    score: float | None = None


class Pydantic2:
    def model_dump(self) -> dict[str, object]:
        return {"a": Color.RED, "none": None}

    def dict(self) -> object:
        raise AssertionError("model_dump comes first")


class Pydantic1:
    def dict(self) -> dict[str, object]:
        return {"a": [Point(1)]}


@dataclasses.dataclass
class DumpingDataclass:
    x: int

    def model_dump(self) -> str:
        return "dumped"


Pair = collections.namedtuple("Pair", "left right")


def generate() -> Iterator[object]:
    yield 1
    yield Color.RED


CONVERTED: dict[str, tuple[Callable[[], object], str]] = {
    "null": (lambda: None, "null"),
    "integer": (lambda: 2**70, str(2**70)),
    "float": (lambda: 0.1, "0.1"),
    "text is not escaped": (lambda: 'é漢😀 "\\\n', '"é漢😀 \\"\\\\\\n"'),
    "compact, order kept": (lambda: {"b": [1, 2], "a": True}, '{"b":[1,2],"a":true}'),
    "model_dump": (Pydantic2, '{"a":"red","none":null}'),
    "dict method": (Pydantic1, '{"a":[{"x":1,"y":null}]}'),
    "model_dump of a dataclass": (lambda: DumpingDataclass(1), '"dumped"'),
    "dataclass": (lambda: Point(Point(1), [Point(2)]), '{"x":{"x":1,"y":null},"y":[{"x":2,"y":null}]}'),
    "BaseModel": (lambda: Answer("a"), '{"text":"a","score":null}'),
    "tuple": (lambda: (1, (2,)), "[1,[2]]"),
    "namedtuple": (lambda: Pair(1, [2]), "[1,[2]]"),
    "set": (lambda: {5}, "[5]"),
    "frozenset": (lambda: frozenset("a"), '["a"]'),
    "generator": (generate, '[1,"red"]'),
    "enum": (lambda: [Color.RED, Color.NESTED], '["red",["a",1]]'),
    "IntEnum": (lambda: [Level.LOW], "[1]"),
    "str enum": (lambda: {Name.ANNA: Name.ANNA}, '{"anna":"anna"}'),
    "datetime": (
        lambda: datetime.datetime(2026, 11, 20, 18, 20, 38, 5, datetime.timezone.utc),
        '"2026-11-20T18:20:38.000005+00:00"',
    ),
    "date": (lambda: [datetime.date(2026, 11, 20)], '["2026-11-20"]'),
    "time": (lambda: datetime.time(18, 20, 38, 500000), '"18:20:38.500000"'),
    "timedelta": (lambda: datetime.timedelta(1, 7384, 500000), '"P1DT2H3M4.5S"'),
    "timedelta of days": (lambda: datetime.timedelta(400), '"P400D"'),
    "timedelta of hours": (lambda: datetime.timedelta(hours=2), '"PT2H"'),
    "timedelta of nothing": (lambda: datetime.timedelta(), '"PT0S"'),
    "timedelta of microseconds": (lambda: datetime.timedelta(microseconds=50), '"PT0.00005S"'),
    "negative timedelta": (lambda: datetime.timedelta(seconds=-61.5), '"-PT1M1.5S"'),
    "smallest timedelta": (lambda: datetime.timedelta.min, '"-P999999999D"'),
    "Decimal": (lambda: Point(decimal.Decimal("0.10")), '{"x":"0.10","y":null}'),
    "Decimal without a value": (lambda: decimal.Decimal("NaN"), '"NaN"'),
    "UUID": (lambda: uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
    "subclass of UUID": (lambda: Ticket(int=2), '"00000000-0000-0000-0000-000000000002"'),
    "addresses": (
        lambda: [ipaddress.ip_address("::1"), ipaddress.ip_network("10.0.0.0/8")],
        '["::1","10.0.0.0/8"]',
    ),
    "enum of dates": (lambda: Holiday.NEW_YEAR, '"2026-01-01"'),
    "keys": (lambda: {2: 0, 1.5: 0, True: 0, None: 0}, '{"2":0,"1.5":0,"true":0,"null":0}'),
    "OrderedDict": (lambda: collections.OrderedDict(a=Color.RED), '{"a":"red"}'),
    "defaultdict": (lambda: collections.defaultdict(list, a=[Point(1)]), '{"a":[{"x":1,"y":null}]}'),
    "Counter": (lambda: collections.Counter("aab"), '{"a":2,"b":1}'),
    "secret": (lambda: cog.Secret("hush"), '"**********"'),
    "secret inside": (lambda: Point([cog.Secret("hush")]), '{"x":["**********"],"y":null}'),
    "path": (lambda: [pathlib.Path("a.png")], '["<a.png>"]'),
    "cog.Path": (lambda: {"a": cog.Path("b/a.png")}, '{"a":"<b/a.png>"}'),
    "handle": (lambda: Point(io.BytesIO(b"x")), '{"x":"<BytesIO>","y":null}'),
}


@pytest.mark.parametrize(("make", "text"), CONVERTED.values(), ids=CONVERTED)
def test_it_becomes_this_json(make: Callable[[], object], text: str) -> None:
    assert encoded(make()) == text


class Plain: ...


REFUSED: dict[str, object] = {
    "bytes": b"x",
    "bytearray": bytearray(b"x"),
    "complex": 1j,
    "range": range(3),
    "map": map(str, [1]),
    "deque": collections.deque([1]),
    "dict_keys": {}.keys(),
    "list_iterator": iter([1]),
    "Plain": Plain(),
    "type": Plain,
    "EnumType": Color,
    "function": encoded,
    "_TemporaryFileWrapper": tempfile.NamedTemporaryFile(),
}


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("inside", [lambda value: value, lambda value: {"a": [value]}], ids=["top", "inside"])
def test_what_json_does_not_know_is_named(value: object, inside: Callable[[object], object]) -> None:
    with pytest.raises(EncodingError) as caught:
        encoded(inside(value))
    name = type(value).__name__
    expected = f"Failed to serialize output: TypeError: Object of type {name} is not JSON serializable"
    assert str(caught.value) == expected


def test_a_key_that_is_not_text_is_refused() -> None:
    with pytest.raises(
        EncodingError, match="TypeError: keys must be str, int, float, bool or None, not tuple"
    ):
        encoded({(1, 2): 3})


NO_NUMBER = "Failed to serialize output: NaN and infinity are not JSON numbers"


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("wrap", "place"),
    [
        (lambda number: number, "output"),
        (lambda number: [0, number], "output[1]"),
        (lambda number: {"a": (1, {"b": number})}, "output['a'][1]['b']"),
        (lambda number: Point(1, [number]), "output['y'][0]"),
        (lambda number: [pathlib.Path("a.png"), io.BytesIO(), cog.Secret("x"), number], "output[3]"),
        (lambda number: [{1, 2}, number], "output[1]"),
        (lambda number: [[number], Plain()], "output[0][0]"),
        (lambda number: [Point(Point(Point(0))), Point(Point(Point(number)))], "output[1]['x']['x']['x']"),
    ],
    ids=["top", "list", "nested", "dataclass", "after files", "after a set", "before others", "after many"],
)
def test_the_place_of_a_number_that_json_does_not_know_is_named(
    number: float, wrap: Callable[[float], object], place: str
) -> None:
    with pytest.raises(EncodingError) as caught:
        encoded(wrap(number))
    assert str(caught.value) == f"{NO_NUMBER} (at {place})"


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("\ud800", "output"),
        (["ok", {"a": "x\udfff"}], "output[1]['a']"),
        ({"\ud800": 1}, "output['\\ud800']"),
    ],
)
def test_the_place_of_text_that_is_not_unicode_is_named(value: object, place: str) -> None:
    with pytest.raises(EncodingError) as caught:
        encoded(value)
    assert str(caught.value) == (
        f"Failed to serialize output: output is not valid Unicode text: surrogates not allowed (at {place})"
    )


def test_a_cycle_is_refused() -> None:
    cycle: list[object] = []
    cycle.append({"again": cycle})
    with pytest.raises(EncodingError, match="Circular reference detected"):
        encoded(cycle)


def test_what_is_nested_too_deeply_is_refused() -> None:
    value: object = None
    for _ in range(100_000):
        value = [value]
    with pytest.raises(EncodingError, match="output is nested too deeply for JSON"):
        encoded(value)


def test_what_the_author_s_conversion_raises_propagates() -> None:
    class Broken:
        def model_dump(self) -> object:
            raise KeyError("the author's")

    with pytest.raises(KeyError, match="the author's"):
        encoded(Broken())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_any_json_value_survives(value: object) -> None:
    assert json.loads(encoded(value)) == value
