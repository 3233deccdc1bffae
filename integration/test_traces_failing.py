"""operations.md 2: tracing never blocks or breaks a prediction, whatever the collector does."""

import time
from pathlib import Path
from typing import Final

import pytest
from integration.conftest import Serve
from testing.collector import TRACES_PATH, collecting
from testing.ports import reserved_port
from testing.receiver import HANG_UP, Peer, Receiver, Reply, in_turn
from testing.script import returning
from testing.server import Server

pytestmark = pytest.mark.ours("operations.md 2: traces")

HELLO: Final = returning("'hello'")
COUNT: Final = 50
# What the export of the last spans may take, and the end of an idle server; a busy machine gets a margin.
END_LIMIT_S: Final = 10.0


def variables(url: str) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "20"}


def check_predictions(server: Server) -> None:
    for _ in range(COUNT):
        assert server.predict(HELLO).json()["output"] == "hello"


def stop(server: Server) -> None:
    """Stop the server, whose end must not wait for the collector for long."""
    began = time.monotonic()
    server.process.terminate()
    assert server.wait_exit() == 0
    assert time.monotonic() - began < END_LIMIT_S


def warnings(server: Server, text: str) -> list[str]:
    messages = [record["fields"]["message"] for record in server.records if record["level"] == "WARN"]
    return [message for message in messages if text in message]


def test_a_collector_that_does_not_listen(serve: Serve) -> None:
    with reserved_port() as port, serve("script", variables=variables(f"http://127.0.0.1:{port}")) as server:
        check_predictions(server)
        stop(server)
        (lost,) = warnings(server, "were not delivered to the collector")
        assert lost.startswith(f"{2 * COUNT} of {2 * COUNT} spans")
        assert len(warnings(server, "spans cannot be exported")) <= 1
        assert "Traceback" not in server.log


def hang(peer: Peer) -> None:
    peer.wait_hung_up()


def send_garbage(peer: Peer) -> None:
    peer.send(b"\x00\xff garbage \r\n\r\n" * 100)


ANSWERS: Final = {
    "500": Reply(500, body=b"<html>"),
    "401": Reply(401),
    "redirected": Reply(302, {"Location": "http://127.0.0.1:1/"}),
    "not HTTP": Reply(write=send_garbage),
    "closed": HANG_UP,
    "not protobuf": Reply(200, {"Content-Type": "text/html"}, b"<html>" * 1000),
}


@pytest.mark.parametrize("reply", ANSWERS.values(), ids=ANSWERS)
def test_a_collector_with_a_wrong_answer(serve: Serve, reply: Reply) -> None:
    with Receiver().listening() as receiver, serve("script", variables=variables(receiver.url)) as server:
        receiver.answer = lambda _: reply
        check_predictions(server)
        receiver.wait_count(1)
        stop(server)
        assert "Traceback" not in server.log


def test_a_collector_that_never_answers(serve: Serve) -> None:
    """The queue is bounded: what does not fit is dropped, and counted."""
    small = {"OTEL_BSP_MAX_QUEUE_SIZE": "10", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "5"}
    with Receiver().listening() as receiver:
        receiver.answer = lambda _: Reply(write=hang)
        with serve("script", variables={**variables(receiver.url), **small}) as server:
            check_predictions(server)
            stop(server)
            (lost,) = warnings(server, "were not delivered to the collector")
            assert lost.startswith(f"{2 * COUNT} of {2 * COUNT} spans")


def test_a_collector_that_recovers(serve: Serve) -> None:
    with collecting() as collector:
        collector.receiver.answer = in_turn(Reply(400), Reply(400), Reply())
        with serve("script", variables=collector.variables) as server:
            for exports in range(3):
                server.predict(HELLO)
                collector.receiver.wait_count(exports + 1)
            server.wait_log("the collector receives spans again")
            stop(server)
            (failure,) = warnings(server, "spans cannot be exported")
            assert "batch code: 400" in failure
            assert len(warnings(server, "were not delivered to the collector")) == 1


def test_the_last_spans_are_exported_when_the_server_stops(serve: Serve) -> None:
    with collecting() as collector:
        later = {**collector.variables, "OTEL_BSP_SCHEDULE_DELAY": "60000"}
        with serve("script", variables=later) as server:
            server.predict(HELLO)
            assert collector.spans == []
            stop(server)
            assert {span.name for span in collector.spans} == {"POST /predictions", "run"}
            assert not warnings(server, "were not delivered")


def test_secrets_of_the_server_are_not_in_spans(serve: Serve) -> None:
    with collecting() as collector:
        secrets = {
            "COG_API_TOKEN": "token-secret",
            "WEBHOOK_AUTH_TOKEN": "hook-secret",
            "OTEL_EXPORTER_OTLP_HEADERS": "x-api-key=collector-secret",
        }
        with serve("script", variables={**collector.variables, **secrets}) as server:
            bearer = {"Authorization": "Bearer token-secret"}
            body = {"input": HELLO, "webhook": f"{collector.receiver.url}/hook"}
            server.request("POST", "/predictions?key=query-secret", body, bearer)
            server.request("POST", "/predictions", body, {"Authorization": "Bearer wrong-secret"})
            stop(server)
            assert "secret" not in server.log
    exports = [each for each in collector.receiver.received if each.path == TRACES_PATH]
    assert {each.headers["x-api-key"] for each in exports} == {"collector-secret"}
    assert b"secret" not in b"".join(each.body for each in exports)


# on and off


@pytest.fixture
def without_library(tmp_path: Path) -> dict[str, str]:
    """Variables of a server without OpenTelemetry; an attempt to import it leaves a mark."""
    package = tmp_path / "opentelemetry"
    package.mkdir()
    mark = tmp_path / "imported"
    package.joinpath("__init__.py").write_text(
        f"open({str(mark)!r}, 'w').close()\nraise ImportError(\"No module named 'opentelemetry'\")\n"
    )
    return {"PYTHONPATH": str(tmp_path)}


def test_without_the_library_a_warning_says_what_to_install(
    serve: Serve, without_library: dict[str, str], tmp_path: Path
) -> None:
    on = {**without_library, **variables("http://127.0.0.1:1")}
    with serve("script", variables=on) as server:
        check_predictions(server)
        server.wait_log("traces are off")
        (warning,) = warnings(server, "traces are off")
    assert warning.endswith("pip install 'pycoglet[otel]'")
    assert tmp_path.joinpath("imported").exists()


@pytest.mark.parametrize(
    "off",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
    ],
    ids=["by default", "exporter", "disabled"],
)
def test_off_imports_nothing(
    serve: Serve, without_library: dict[str, str], off: dict[str, str], tmp_path: Path
) -> None:
    with serve("script", variables={**without_library, **off}) as server:
        body = {"input": returning("cog.current_scope().context", "cog")}
        trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
        assert server.request("POST", "/predictions", body, trace).json()["output"] == {}
        assert "trace_id" not in server.log
    assert not tmp_path.joinpath("imported").exists()


def test_an_invalid_setting_of_the_library_turns_traces_off(serve: Serve) -> None:
    invalid = {**variables("http://127.0.0.1:1"), "OTEL_BSP_MAX_QUEUE_SIZE": "5"}
    with serve("script", variables=invalid) as server:
        check_predictions(server)
        server.wait_log("traces are off")
        (warning,) = warnings(server, "traces are off")
    assert "max_export_batch_size" in warning


def test_the_console_exporter(serve: Serve) -> None:
    with serve("script", variables={"OTEL_TRACES_EXPORTER": "console"}) as server:
        server.predict(HELLO)
        stop(server)
        assert '"name": "POST /predictions"' in server.log
