"""runtime.md 6.6: the error texts of failed predictions."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from integration.conftest import Serve
from testing.model import Model, inputs
from testing.script import returning, script
from testing.server import Server


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("script") as server:
        yield server


@pytest.fixture(scope="module")
def async_server(serve: Serve) -> Iterator[Server]:
    with serve("async_script") as server:
        yield server


def error(server: Server, act: Callable[..., object]) -> str:
    body = server.predict(script(act)).json()
    assert body["status"] == "failed", body
    return str(body["error"])


def raise_value_error() -> None:
    raise ValueError("boom")


def raise_without_text() -> None:
    raise ValueError


def raise_a_class_of_its_own() -> None:
    class Custom(Exception): ...

    raise Custom("of mine")


def raise_key_error() -> None:
    raise KeyError("absent")


def exit_the_process() -> None:
    import sys

    sys.exit(3)


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("act", "tail"),
    [
        (raise_value_error, "ValueError: boom"),
        (raise_without_text, "ValueError: "),
        (raise_a_class_of_its_own, "raise_a_class_of_its_own.<locals>.Custom: of mine"),
        (raise_key_error, "KeyError: 'absent'"),
        (exit_the_process, "SystemExit: 3"),
        (interrupt, "KeyboardInterrupt: "),
    ],
)
def test_an_exception_is_named_with_its_text(server: Server, act: Callable[[], None], tail: str) -> None:
    assert error(server, act) == f"Prediction failed: Prediction failed: {tail}"
    assert server.predict(returning("1")).json()["output"] == 1


def test_an_iterator_that_raises(server: Server) -> None:
    def predict() -> Iterator[int]:
        yield 1
        raise ValueError("boom")

    assert error(server, predict) == "Prediction failed: Generator iteration error: ValueError: boom"


def test_an_async_model_that_raises(async_server: Server) -> None:
    async def predict() -> None:
        raise ValueError("boom")

    assert error(async_server, predict) == "Prediction failed: Async prediction failed: ValueError: boom"


def test_an_async_iterator_that_raises(serve: Serve) -> None:
    async def predict() -> AsyncIterator[int]:
        yield 1
        raise ValueError("boom")

    with serve("async_stream_script") as server:
        assert error(server, predict).endswith(": ValueError: boom")


@pytest.mark.ours("runtime.md 16.11: SystemExit in an async model ends the peer's loop for good")
@pytest.mark.parametrize("kind", ["SystemExit", "KeyboardInterrupt", "GeneratorExit"])
def test_an_async_model_that_exits_fails_alone(async_server: Server, kind: str) -> None:
    async def predict(kind: str) -> None:
        import builtins

        raise getattr(builtins, kind)("out")

    body = async_server.predict(script(predict, kind=kind)).json()
    assert body["status"] == "failed"
    assert f"{kind}: out" in body["error"]

    async def still_there() -> int:
        return 1

    assert async_server.predict(script(still_there)).json()["output"] == 1


@pytest.mark.ours("runtime.md 16.11: the peer takes an exception that mentions a cancel for one")
def test_an_exception_that_mentions_a_cancel_is_a_failure(async_server: Server) -> None:
    async def predict() -> None:
        raise RuntimeError("the user cancelled it: CancelledError")

    assert "RuntimeError: the user cancelled it" in error(async_server, predict)


@pytest.mark.ours("runtime.md 16.5: a long text takes the peer's slot away")
def test_a_very_long_text_fails_the_prediction_alone(server: Server) -> None:
    def predict() -> None:
        raise ValueError("x" * 9_000_000)

    assert error(server, predict).startswith("Prediction failed: Prediction failed: ValueError: xxx")
    assert server.predict(returning("1")).json()["output"] == 1


@pytest.mark.ours("runtime.md 6.6: ours shows the traceback, to the client or in the server's log")
def test_the_traceback_can_be_found(server: Server) -> None:
    def predict() -> None:
        def deeper() -> None:
            raise ValueError("find me")

        deeper()

    body = server.predict(script(predict)).json()
    if "in deeper" not in body["logs"]:
        server.wait_log("in deeper")


def test_an_input_that_is_not_an_object_without_a_schema(serve: Serve) -> None:
    with serve(Model(Model.named("echo").source, {"Output": {}})) as server:
        body = server.request("POST", "/predictions", {"input": [1]}).json()
        assert body["error"] == "Input validation error: Input must be a JSON object"


def test_an_input_that_the_model_refuses(serve: Serve) -> None:
    source = (
        "from cog import BasePredictor, Path\n"
        "class Predictor(BasePredictor):\n"
        "    def predict(self, file: Path) -> str:\n"
        "        return 'not reached'\n"
    )
    with serve(Model(source, inputs({"file": {"type": "string"}}, "file"))) as server:
        body = server.predict({"file": "http://127.0.0.1:1/nothing.png"}).json()
        assert body["status"] == "failed"
        assert body["error"].startswith("Input validation error: ")
