"""runtime.md 12: how many predictions run at the same time."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from integration.conftest import Serve
from testing.holding import hold_async, holding
from testing.model import Model, inputs
from testing.script import script
from testing.server import Server

CONCURRENT_MODEL = """
import asyncio, os
import cog

class Predictor:
    @cog.concurrent(max=3)
    async def run(self, gate: str) -> str:
        print("held", flush=True)
        while not os.access(gate, os.F_OK):
            await asyncio.sleep(0.01)
        return gate
"""


async def answer_now() -> str:
    return "now"


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("async_script", variables={"COG_MAX_CONCURRENCY": "3"}) as server:
        yield server


def test_as_many_run_as_there_are_slots_and_one_more_is_409(server: Server) -> None:
    with ExitStack() as stack:
        answers = [stack.enter_context(holding(server, f"slot-{n}", hold_async)) for n in range(3)]
        assert server.health()["status"] == "BUSY"
        assert server.predict(script(answer_now)).status == 409
    assert [answer.result().json()["output"] for answer in answers] == ["let go"] * 3
    assert server.predict(script(answer_now)).json()["output"] == "now"


def test_all_run_on_one_loop_in_one_thread(server: Server) -> None:
    async def predict() -> list[int]:
        import asyncio
        import threading

        await asyncio.sleep(0.01)
        return [id(asyncio.get_running_loop()), threading.get_ident()]

    answers = [server.begin(script(predict), id=f"loop-{n}") for n in range(3)]
    assert len({tuple(answer.result().json()["output"]) for answer in answers}) == 1


def test_setup_runs_on_the_loop_of_the_predictions(serve: Serve) -> None:
    source = (
        "import asyncio\n"
        "class Predictor:\n"
        "    async def setup(self):\n"
        "        self.loop = asyncio.get_running_loop()\n"
        "    async def run(self) -> bool:\n"
        "        return self.loop is asyncio.get_running_loop()\n"
    )
    with serve(Model(source, inputs({}))) as server:
        assert server.predict().json()["output"] is True


@pytest.mark.parametrize("value", ["", "0", "-1", "many", "1.5"])
def test_an_unusable_number_means_one(serve: Serve, value: str) -> None:
    with (
        serve("async_script", variables={"COG_MAX_CONCURRENCY": value}) as server,
        holding(server, "only", hold_async),
    ):
        assert server.predict(script(answer_now)).status == 409


def test_a_sync_model_has_one_slot(serve: Serve) -> None:
    with serve("script", variables={"COG_MAX_CONCURRENCY": "1"}) as server, holding(server, "only"):
        assert server.health()["status"] == "BUSY"


@pytest.mark.ours("decisions.md: @cog.concurrent(max=N) is used at run time; the peer only builds with it")
def test_the_decorator_sets_the_slots_when_the_environment_does_not(serve: Serve) -> None:
    model = Model(CONCURRENT_MODEL, inputs({"gate": {"type": "string"}}, "gate"), ref="predict.py:Predictor")
    with serve(model) as server:
        answers = [server.begin({"gate": "go"}, id=f"p{number}") for number in range(3)]
        for number in range(3):
            server.wait_logged(f"p{number}", "held")
        assert server.predict({"gate": "go"}).status == 409
        (server.folder / "go").touch()
        assert [answer.result().json()["output"] for answer in answers] == ["go"] * 3


def test_the_environment_wins_over_the_decorator(serve: Serve) -> None:
    model = Model(CONCURRENT_MODEL, inputs({"gate": {"type": "string"}}, "gate"))
    with serve(model, variables={"COG_MAX_CONCURRENCY": "1"}) as server:
        answer = server.begin({"gate": "go"}, id="p")
        server.wait_logged("p", "held")
        assert server.predict({"gate": "go"}).status == 409
        (server.folder / "go").touch()
        assert answer.result().json()["output"] == "go"


@pytest.mark.parametrize(
    ("argument", "method", "error"),
    [
        ("'3'", "async def", "TypeError: concurrent max must be an integer"),
        ("True", "async def", "TypeError: concurrent max must be an integer"),
        ("0", "async def", "ValueError: concurrent max must be at least 1"),
        ("2", "def", "TypeError: concurrent max greater than 1 requires an async function"),
    ],
)
def test_a_wrong_decorator_fails_at_import(serve: Serve, argument: str, method: str, error: str) -> None:
    source = (
        "import cog\n"
        "class Predictor:\n"
        f"    @cog.concurrent(max={argument})\n"
        f"    {method} run(self) -> int:\n"
        "        return 1\n"
    )
    with serve(Model(source), until="SETUP_FAILED") as server:
        assert error in server.health()["setup"]["logs"]
