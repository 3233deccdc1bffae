"""Outputs of models that return an iterator or an awaitable instead of being a generator or a coroutine."""

import pytest
from integration.conftest import Serve
from testing.model import Model

pytestmark = pytest.mark.ours("there, only generators are iterated, and a sync wrapper returns a coroutine")

ITERATORS = """
from collections.abc import Iterator
from itertools import chain
from cog import BasePredictor, Input

class Numbers:
    def __init__(self):
        self.left = [3, 2, 1]
    def __next__(self):
        if not self.left:
            raise StopIteration
        return str(self.left.pop())

MAKE = {
    "map": lambda: map(str, [1, 2, 3]),
    "chain": lambda: chain("1", ["2", "3"]),
    "iter": lambda: iter(["1", "2", "3"]),
    "next": Numbers,
    "broken": lambda: map(int, ["1", "x"]),
}

class Predictor(BasePredictor):
    def predict(self, kind: str) -> Iterator[str]:
        return MAKE[kind]()
"""
WRAPPED = """
import asyncio
from cog import BasePredictor

def logged(function):
    def wrapper(self, what: str):
        print("called")
        return function(self, what)
    return wrapper

class Predictor(BasePredictor):
    async def setup(self):
        self.loop = asyncio.get_running_loop()

    @logged
    async def predict(self, what: str) -> str:
        try:
            await asyncio.sleep(600 if what == "long" else 0)
        except BaseException as error:
            print("ended by", type(error).__name__)
            raise
        assert asyncio.get_running_loop() is self.loop
        if what == "fail":
            raise ValueError("no")
        if what == "exit":
            raise SystemExit(3)
        return what.upper()
"""
GENERATOR = """
import asyncio
from cog import BasePredictor

class Predictor(BasePredictor):
    def predict(self, what: str):
        return self.letters(what)

    async def letters(self, what):
        for letter in what:
            await asyncio.sleep(0)
            yield letter
"""
INPUT = {
    "Input": {"type": "object", "properties": {"what": {"type": "string"}}},
    "Output": {"title": "Output"},
}


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_what_is_declared_as_an_iterator_is_iterated(serve: Serve, is_async: bool) -> None:
    source = ITERATORS.replace("    def predict", "    async def predict") if is_async else ITERATORS
    with serve(Model(source)) as server:
        for kind in ("map", "chain", "iter", "next"):
            assert server.predict({"kind": kind}).json()["output"] == ["1", "2", "3"]
        broken = server.predict({"kind": "broken"}).json()
        assert (broken["status"], broken["output"]) == ("failed", [1])
        assert "ValueError: invalid literal" in broken["error"]


def test_a_sync_wrapper_of_an_async_method_is_awaited(serve: Serve) -> None:
    with serve(Model(WRAPPED, INPUT)) as server:
        answer = server.predict({"what": "hello"}).json()
        assert (answer["output"], answer["logs"]) == ("HELLO", "called\n")
        assert server.predict({"what": "fail"}).json()["error"].endswith("ValueError: no")
        assert server.predict({"what": "exit"}).json()["error"].endswith("SystemExit: 3")
        server.start({"what": "long"}, id="p")
        server.wait_logged("p", "called")
        server.cancel("p")
        server.wait_status("READY")
        assert server.predict({"what": "again"}).json()["output"] == "AGAIN"


def test_a_sync_wrapper_of_an_async_generator_is_iterated(serve: Serve) -> None:
    with serve(Model(GENERATOR, INPUT)) as server:
        assert server.predict({"what": "abc"}).json()["output"] == ["a", "b", "c"]


def test_a_method_that_a_generic_base_defines(serve: Serve) -> None:
    source = """
from typing import Generic, TypeVar
from cog import BasePredictor
T = TypeVar("T")
class Base(BasePredictor, Generic[T]):
    def predict(self, n: int) -> int:
        return n + 1
class Predictor(Base[int]):
    pass
"""
    with serve(Model(source)) as server:
        assert server.request("POST", "/predictions", {"input": {"n": "x"}}).status == 422
        assert server.predict({"n": 1.0}).json()["output"] == 2
