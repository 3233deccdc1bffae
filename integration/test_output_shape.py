"""runtime.md 6.1 and 6.2: single values, lists and iterators."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from integration.conftest import Serve
from testing.model import Model, inputs
from testing.script import returning, script
from testing.server import Server

SHAPES = [
    ("'one'", "one"),
    ("['one']", ["one"]),
    ("['one', 'two']", ["one", "two"]),
    ("('one',)", ["one"]),
    ("None", None),
    ("[]", []),
    ("(n for n in range(0))", []),
    ("(n for n in range(1))", [0]),
    ("(n for n in range(3))", [0, 1, 2]),
    ("[[1], [2]]", [[1], [2]]),
    ("[None, None]", [None, None]),
]


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("script") as server:
        yield server


@pytest.fixture(scope="module")
def array_server(serve: Serve) -> Iterator[Server]:
    """Its schema says that the output is an array."""
    components = {**inputs({"code": {"type": "string"}}, "code"), "Output": {"type": "array", "items": {}}}
    with serve(Model(Model.named("script").source, components)) as server:
        yield server


@pytest.fixture(scope="module")
def stream_server(serve: Serve) -> Iterator[Server]:
    """Its model is an async generator."""
    with serve("async_stream_script") as server:
        yield server


@pytest.mark.parametrize(("expression", "output"), SHAPES)
def test_the_value_gives_the_shape(server: Server, expression: str, output: Any) -> None:
    assert server.predict(returning(expression)).json()["output"] == output


@pytest.mark.parametrize(("expression", "output"), SHAPES)
def test_an_array_in_the_schema_makes_a_list_of_everything(
    array_server: Server, expression: str, output: Any
) -> None:
    as_list = output if isinstance(output, list) else [] if output is None else [output]
    assert array_server.predict(returning(expression)).json()["output"] == as_list


def test_items_are_encoded_one_by_one(server: Server) -> None:
    expression = (
        "(value for value in ({'a': (1,)}, enum.Enum('E', {'A': 'x'}).A, datetime.datetime(2024, 1, 2)))"
    )
    output = server.predict(returning(expression, "enum", "datetime")).json()["output"]
    assert output == [{"a": [1]}, "x", "2024-01-02T00:00:00"]


def test_an_async_iterator_returns_a_list(stream_server: Server) -> None:
    async def predict(count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number

    for count in (0, 1, 3):
        output = stream_server.predict(script(predict, count=count)).json()["output"]
        assert output == list(range(count))


def test_items_of_an_iterator_are_out_before_it_ends(server: Server) -> None:
    def predict() -> Iterator[str]:
        import pathlib
        import time

        yield "one"
        print("held", flush=True)
        while not pathlib.Path("go").exists():
            time.sleep(0.01)
        yield "two"

    answer = server.begin(script(predict), id="iterator")
    server.wait_logged("iterator", "held")
    state = server.peek("iterator")
    (server.folder / "go").touch()
    assert state is not None
    assert state["output"] == ["one"]
    assert answer.result().json()["output"] == ["one", "two"]


@pytest.mark.ours("decisions.md: async iterators stream each item; the peer collects all first (16.14)")
def test_items_of_an_async_iterator_are_out_before_it_ends(stream_server: Server) -> None:
    async def predict() -> AsyncIterator[str]:
        import asyncio
        import os

        yield "one"
        print("held", flush=True)
        while not os.access("go", os.F_OK):  # noqa: ASYNC110 - the file is the test's signal
            await asyncio.sleep(0.01)
        yield "two"

    answer = stream_server.begin(script(predict), id="iterator")
    stream_server.wait_logged("iterator", "held")
    state = stream_server.peek("iterator")
    (stream_server.folder / "go").touch()
    assert state is not None
    assert state["output"] == ["one"]
    assert answer.result().json()["output"] == ["one", "two"]


def test_ten_thousand_items_come_in_order(server: Server) -> None:
    assert server.predict(returning("(n for n in range(10_000))")).json()["output"] == list(range(10_000))


@pytest.mark.parametrize("size", [1, 6_291_456, 33_554_432])
def test_large_outputs_arrive_whole(server: Server, size: int) -> None:
    answer = server.predict(returning(f"'x' * {size}"))
    assert answer.json()["output"] == "x" * size


def test_large_items_arrive_whole_and_in_order(server: Server) -> None:
    answer = server.predict(returning("(c * n for c, n in (('a', 1), ('b', 7_000_000), ('c', 2)))"))
    assert [(item[0], len(item)) for item in answer.json()["output"]] == [
        ("a", 1),
        ("b", 7_000_000),
        ("c", 2),
    ]


def test_large_inputs_arrive_whole(server: Server) -> None:
    def predict(text: str) -> int:
        return len(text)

    for size in (6_291_456, 33_554_432):
        assert server.predict(script(predict, text="x" * size)).json()["output"] == size
