"""runtime.md 8: canceling predictions of async models."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from integration.conftest import Serve
from testing.holding import hold_async, holding
from testing.script import script
from testing.server import Server
from testing.waiting import wait_for

CANCELED = "canceled"


async def answer_next() -> str:
    return "next"


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("async_script") as server:
        yield server


@pytest.fixture(autouse=True)
def slot_works_afterwards(server: Server) -> Iterator[None]:
    """After each test the slot still serves: a cancel must not affect the next prediction."""
    yield
    wait_for(lambda: server.health()["status"] == "READY", "free slot")
    assert server.predict(script(answer_next)).json()["output"] == "next"


def canceled(server: Server, prediction_id: str, act: Callable[..., object]) -> dict[str, object]:
    """Return the response of a prediction that is canceled once it has printed `held`."""
    answer = server.begin(script(act), id=prediction_id)
    server.wait_logged(prediction_id, "held")
    assert server.cancel(prediction_id).json() == {}
    body: dict[str, object] = answer.result().json()
    return body


def test_an_await_ends(server: Server) -> None:
    async def predict() -> None:
        import asyncio

        print("held", flush=True)
        await asyncio.sleep(3600)

    body = canceled(server, "sleep", predict)
    assert (body["status"], "error" in body) == (CANCELED, False)


def test_the_model_sees_cancelled_error(server: Server) -> None:
    async def predict() -> None:
        import asyncio
        import pathlib

        print("held", flush=True)
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pathlib.Path("saw-it").touch()  # noqa: ASYNC240 - one call
            raise

    assert canceled(server, "sees", predict)["status"] == CANCELED
    wait_for((server.folder / "saw-it").exists, "the file of the clean-up")


def test_a_swallowed_cancel_is_a_cancel(server: Server) -> None:
    async def predict() -> str:
        import asyncio

        print("held", flush=True)
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
        return "the model went on"

    assert canceled(server, "swallowed", predict)["status"] == CANCELED


def test_another_exception_after_a_cancel_is_a_cancel(server: Server) -> None:
    async def predict() -> None:
        import asyncio

        print("held", flush=True)
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError as error:
            raise RuntimeError("something else") from error

    assert canceled(server, "converted", predict)["status"] == CANCELED


@pytest.mark.ours(
    "runtime.md 8.3: ours waits for the task; the peer frees the slot while it cleans up (16.11)"
)
def test_the_slot_is_taken_while_the_task_cleans_up_and_its_logs_are_kept(server: Server) -> None:
    async def predict() -> None:
        import asyncio
        import os

        print("held", flush=True)
        try:
            await asyncio.sleep(3600)
        finally:
            print("cleaning", flush=True)
            while not os.access("go-on", os.F_OK):  # noqa: ASYNC110 - the file is the test's signal
                await asyncio.sleep(0.01)
            print("clean")

    answer = server.begin(script(predict), id="cleans")
    server.wait_logged("cleans", "held")
    server.cancel("cleans")
    server.wait_logged("cleans", "cleaning")
    assert server.predict(script(answer_next)).status == 409
    (server.folder / "go-on").touch()
    body = answer.result().json()
    assert (body["status"], body["logs"]) == (CANCELED, "held\ncleaning\nclean\n")


@pytest.mark.ours("runtime.md 8.4: between 202 and the start in the worker the peer loses cancels")
def test_a_cancel_right_after_the_202_is_never_lost(server: Server) -> None:
    async def predict() -> None:
        import asyncio

        await asyncio.sleep(600)

    for number in range(20):
        name = f"early-{number}"
        assert server.start(script(predict), id=name).status == 202
        assert server.cancel(name).status == 200
        wait_for(lambda name=name: not server.peek(name), "end of the prediction")  # type: ignore[misc]


def test_a_cancel_reaches_one_of_several(serve: Serve) -> None:
    with serve("async_script", variables={"COG_MAX_CONCURRENCY": "3"}) as several:
        with holding(several, "left", hold_async) as left, holding(several, "right", hold_async) as right:
            with holding(several, "middle", hold_async) as middle:
                several.cancel("middle")
                assert middle.result().json()["status"] == CANCELED
            assert several.peek("left")
            assert several.peek("right")
        assert {left.result().json()["status"], right.result().json()["status"]} == {"succeeded"}


@pytest.mark.ours("decisions.md: items of an async iterator stream, and a cancel keeps them (16.14, 16.23)")
def test_a_canceled_async_iterator_keeps_its_items(serve: Serve) -> None:
    async def predict() -> AsyncIterator[int]:
        import asyncio

        yield 1
        yield 2
        print("held", flush=True)
        await asyncio.sleep(3600)

    with serve("async_stream_script") as streams:
        body = canceled(streams, "iterator", predict)
        assert (body["status"], body["output"]) == (CANCELED, [1, 2])


@pytest.mark.ours("decisions.md: the grace limit COG_CANCEL_GRACE, then the worker is replaced")
def test_a_task_that_ignores_its_cancel_costs_the_worker(serve: Serve) -> None:
    async def predict() -> None:
        import asyncio

        print("held", flush=True)
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                print("no", flush=True)

    with serve("async_script", variables={"COG_CANCEL_GRACE": "1"}) as stubborn:
        answer = stubborn.begin(script(predict), id="stubborn")
        stubborn.wait_logged("stubborn", "held")
        stubborn.cancel("stubborn")
        assert answer.result().json()["status"] == CANCELED
        stubborn.wait_status("READY")
        assert stubborn.predict(script(answer_next)).json()["output"] == "next"
