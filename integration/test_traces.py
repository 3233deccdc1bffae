"""operations.md 2: the spans of a prediction, decoded by a collector, and where its trace goes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from integration.conftest import Serve
from testing.collector import Collector, Span, collecting
from testing.holding import holding
from testing.model import Model
from testing.receiver import Receiver, Reply, in_turn
from testing.script import returning, script
from testing.server import Server
from testing.waiting import wait_for

pytestmark = pytest.mark.ours("operations.md 2: traces")

ROOT: Final = Path(__file__).resolve().parents[1]
TRACE_ID: Final = "0af7651916cd43dd8448eb211c80319c"
LAST: Final = "ffffffffffffffffffffffffffffffff"
CLIENT: Final = "b7ad6b7169203331"
PARENT: Final = {"traceparent": f"00-{TRACE_ID}-{CLIENT}-01", "tracestate": "vendor=a"}
REQUEST: Final = "POST /predictions"
HELLO: Final = returning("'hello'")


@pytest.fixture(scope="module")
def web() -> Iterator[Receiver]:
    """The server of inputs, uploads and webhooks."""
    with Receiver().listening() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def shared_server(serve: Serve, collector: Collector, web: Receiver) -> Iterator[Server]:
    variables = {**collector.variables, "COG_QUEUE_SIZE": "5", "COG_MODEL_NAME": "me/model"}
    with serve("script", variables=variables, flags=["--upload-url", f"{web.url}/up"]) as server:
        yield server


@pytest.fixture
def server(shared_server: Server, collector: Collector, web: Receiver) -> Server:
    """With a collector and a web server that have received nothing yet."""
    # Spans arrive in the order in which they ended: after these, none of the test before can.
    predict(shared_server, HELLO, {"traceparent": f"00-{LAST}-{CLIENT}-01"})
    collector.wait_spans(REQUEST, "run", trace_id=LAST)
    collector.receiver.received.clear()
    web.received.clear()
    web.answer = lambda _: Reply()
    return shared_server


def predict(server: Server, input: dict[str, Any], trace: dict[str, str] | None = None, **fields: Any) -> Any:
    return server.request("POST", "/predictions", {"input": input, **fields}, trace or PARENT).json()


def ids(span: Span) -> tuple[str, str]:
    return span.trace_id, span.parent_id


# the tree of spans


def test_the_request_continues_the_client_s_trace_and_the_run_is_its_child(
    server: Server, collector: Collector
) -> None:
    predict(server, HELLO, id="a")
    request, run = collector.wait_spans(REQUEST, "run")
    assert (ids(request), request.kind, request.status) == ((TRACE_ID, CLIENT), "SERVER", "UNSET")
    assert (ids(run), run.kind, run.status) == ((TRACE_ID, request.span_id), "INTERNAL", "UNSET")
    assert request.start_ns <= run.start_ns <= run.end_ns <= request.end_ns
    assert request.trace_state == run.trace_state == "vendor=a"
    assert request.attributes == {
        "coglet.prediction.id": "a",
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/predictions",
        "url.scheme": "http",
    }
    assert run.attributes == {
        "coglet.prediction.id": "a",
        "coglet.prediction.kind": "prediction",
        "coglet.prediction.status": "succeeded",
    }
    assert run.resource["service.name"] == "me/model"
    assert not collector.named("queue")


@pytest.mark.parametrize(
    "traceparent",
    ["", "nonsense", f"00-{TRACE_ID}-{'0' * 16}-01", f"ff-{TRACE_ID}-{CLIENT}-01", f"00-{TRACE_ID}-{CLIENT}"],
)
def test_an_invalid_parent_is_ignored(server: Server, collector: Collector, traceparent: str) -> None:
    assert predict(server, HELLO, {"traceparent": traceparent})["status"] == "succeeded"
    request, run = collector.wait_spans(REQUEST, "run")
    assert request.parent_id == ""
    assert request.trace_id != TRACE_ID
    assert ids(run) == (request.trace_id, request.span_id)


def test_the_wait_in_the_queue_ends_when_the_run_begins(server: Server, collector: Collector) -> None:
    with holding(server, "first"):
        waiting = server.start(HELLO, id="second")
        assert waiting.status == 202
    (queue,) = collector.wait_spans("queue")
    spans = collector.wait_until(lambda all: sum(span.name == "run" for span in all) == 2, "runs")
    (run,) = [
        span for span in spans if span.name == "run" and span.attributes["coglet.prediction.id"] == "second"
    ]
    (request,) = [span for span in spans if span.span_id == queue.parent_id]
    assert request.attributes["coglet.prediction.id"] == "second"
    assert run.parent_id == request.span_id
    assert request.start_ns <= queue.start_ns < queue.end_ns == run.start_ns
    assert queue.attributes["coglet.prediction.id"] == "second"


def test_a_prediction_that_is_canceled_in_the_queue_has_no_run(server: Server, collector: Collector) -> None:
    with holding(server, "first"):
        server.start(HELLO, id="second")
        server.cancel("second")
        (queue,) = collector.wait_spans("queue")
    assert queue.attributes["coglet.prediction.status"] == "canceled"
    collector.wait_spans("run")


def test_a_failure_is_an_error_without_its_text(server: Server, collector: Collector) -> None:
    assert "secret" in predict(server, returning("int('secret')"))["error"]
    request, run = collector.wait_spans(REQUEST, "run")
    assert (run.status, run.attributes["coglet.prediction.status"]) == ("ERROR", "failed")
    assert (request.status, request.attributes["http.response.status_code"]) == ("UNSET", 200)
    assert b"secret" not in b"".join(each.body for each in collector.receiver.received)


def test_a_canceled_prediction_is_not_an_error(server: Server, collector: Collector) -> None:
    with holding(server, "cut") as held:
        server.cancel("cut")
        assert held.result().json()["status"] == "canceled"
    request, run, cancel = collector.wait_spans(REQUEST, "run", "POST /predictions/{id}/cancel")
    assert (run.status, run.attributes["coglet.prediction.status"]) == ("UNSET", "canceled")
    assert run.parent_id == request.span_id
    assert cancel.trace_id != run.trace_id


def test_a_rejected_request_has_a_span_of_its_own(server: Server, collector: Collector) -> None:
    server.request("POST", "/predictions", b"not JSON", {**PARENT, "Content-Type": "application/json"})
    (request,) = collector.wait_spans(REQUEST)
    assert (ids(request), request.attributes["http.response.status_code"]) == ((TRACE_ID, CLIENT), 400)


def test_health_checks_and_pages_have_no_spans(server: Server, collector: Collector) -> None:
    for path in ("/health-check", "/livez", "/readyz", "/", "/openapi.json", "/unknown"):
        server.request("GET", path)
    predict(server, HELLO)
    spans = collector.wait_until(lambda all: {"run", REQUEST} <= {span.name for span in all}, "spans")
    assert {span.name for span in spans} == {"run", REQUEST}


def test_a_parent_that_is_not_sampled_turns_spans_off_but_is_passed_on(
    server: Server, collector: Collector, web: Receiver
) -> None:
    given = {"traceparent": f"00-{TRACE_ID}-{CLIENT}-00"}
    fetched = script(in_context_and_download, url=web.add("/in.txt", b"hi"))
    hook: dict[str, Any] = {"webhook": f"{web.url}/hook", "webhook_events_filter": ["completed"]}
    context = predict(server, fetched, given, **hook)["output"]
    sent = [each.headers["traceparent"] for each in web.wait_count(2)]
    for traceparent in (*sent, context["traceparent"]):
        version, trace_id, span_id, flags = traceparent.split("-")
        assert (version, trace_id, flags) == ("00", TRACE_ID, "00")
        assert span_id != CLIENT
    predict(server, HELLO)
    collector.wait_spans(REQUEST, "run")


def test_a_request_of_the_hosted_api_is_traced(server: Server, collector: Collector) -> None:
    body = {"version": "me/model", "input": HELLO}
    answer = server.request("POST", "/v1/predictions", body, {**PARENT, "Prefer": "wait"})
    assert answer.json()["status"] == "succeeded"
    server.request("GET", f"/v1/predictions/{answer.json()['id']}")
    get_route = "GET /v1/predictions/{prediction_id}"
    request, run, get = collector.wait_spans("POST /v1/predictions", "run", get_route)
    assert ids(request) == (TRACE_ID, CLIENT)
    assert ids(run) == (TRACE_ID, request.span_id)
    assert get.trace_id != TRACE_ID


# webhooks and uploads


def test_each_attempt_of_a_webhook_is_a_span(server: Server, collector: Collector, web: Receiver) -> None:
    web.answer = in_turn(Reply(500), Reply(200))
    hook: dict[str, Any] = {"webhook": f"{web.url}/hook?key=secret", "webhook_events_filter": ["completed"]}
    predict(server, HELLO, **hook)
    received = web.wait_count(2)
    collector.wait_until(lambda all: sum(span.name == "webhook" for span in all) == 2, "webhooks")
    (request,) = collector.named(REQUEST)
    failed, delivered = sorted(collector.named("webhook"), key=lambda span: span.start_ns)
    assert [each.headers["traceparent"] for each in received] == [failed.traceparent, delivered.traceparent]
    assert [each.headers["tracestate"] for each in received] == ["vendor=a"] * 2
    assert ids(failed) == ids(delivered) == (TRACE_ID, request.span_id)
    assert (failed.kind, failed.status, delivered.status) == ("CLIENT", "ERROR", "UNSET")
    assert failed.attributes == {
        "error.type": "500",
        "http.request.method": "POST",
        "http.response.status_code": 500,
        "server.address": "127.0.0.1",
        "server.port": web.port,
        "url.scheme": "http",
    }
    assert b"secret" not in b"".join(each.body for each in collector.receiver.received)
    server.wait_log("trying again in")
    [record] = [each["fields"] for each in server.records if "trying again in" in each["fields"]["message"]]
    assert (record["trace_id"], record["span_id"]) == (TRACE_ID, request.span_id)


def test_an_upload_is_a_part_of_the_run(server: Server, collector: Collector, web: Receiver) -> None:
    def predict_file() -> Any:
        import cog

        path = cog.Path("out.txt")
        path.write_text("hi")
        return path

    assert predict(server, script(predict_file))["status"] == "succeeded"
    (put,) = web.wait_count(1)
    run, upload = collector.wait_spans("run", "upload")
    assert ids(upload) == (TRACE_ID, run.span_id)
    assert put.headers["traceparent"] == upload.traceparent
    assert (upload.kind, upload.status, upload.attributes["http.request.method"]) == (
        "CLIENT",
        "UNSET",
        "PUT",
    )
    assert run.start_ns <= upload.start_ns <= upload.end_ns <= run.end_ns


# the worker


def in_context_and_download(url: str) -> Any:
    import cog

    cog.URLFile(url).read()
    return cog.current_scope().context


def test_the_author_s_spans_are_below_the_run(serve: Serve) -> None:
    """The model is the one in docs/tracing.md."""
    [source] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "tracing.md").read_text(), re.DOTALL)
    with collecting() as collector, serve(Model(source), variables=collector.variables) as server:
        assert predict(server, {"prompt": "a"})["output"] == "A"
        run, own = collector.wait_spans("run", "tokenize")
    assert ids(own) == (TRACE_ID, run.span_id)


def test_the_context_has_the_trace_under_both_names(server: Server, collector: Collector) -> None:
    def context() -> Any:
        import cog

        return cog.current_scope().context

    given = {"tenant": "a", "traceparent": "the client's"}
    context_of_model = predict(server, script(context), context=given)["output"]
    (run,) = collector.wait_spans("run")
    assert context_of_model == {
        "tenant": "a",
        "traceparent": run.traceparent,
        "tracestate": "vendor=a",
        "TRACEPARENT": run.traceparent,
        "TRACESTATE": "vendor=a",
    }


FILES_MODEL: Final = """
import cog

class Predictor(cog.BasePredictor):
    PREFIXdef predict(self, files: list[cog.Path]) -> str:
        return "".join(file.read_text() for file in files)
"""


@pytest.mark.parametrize("prefix", ["", "async "], ids=["sync", "async"])
def test_downloads(serve: Serve, prefix: str) -> None:
    with Receiver({}).listening() as files, collecting() as collector:
        urls = [files.add("/a?key=secret", b"aa"), files.add("/b", b"b")]
        credentials = urls[0].replace("://", "://user:password@")
        with serve(Model(FILES_MODEL.replace("PREFIX", prefix)), variables=collector.variables) as server:
            assert predict(server, {"files": [credentials, urls[1]]})["output"] == "aab"
            assert predict(server, {"files": [f"{files.url}/missing"]})["status"] == "failed"
        requested = {each.path: each.headers["traceparent"] for each in files.received}
        spans = {span.traceparent: span for span in collector.named("download")}
        runs = sorted(collector.named("run"), key=lambda span: span.start_ns)
        assert {span.trace_id for span in (*spans.values(), *runs)} == {TRACE_ID}
        found = {path: spans[traceparent] for path, traceparent in requested.items()}
        assert len(spans) == len(found) == 3
        a, b, missing = found["/a?key=secret"], found["/b"], found["/missing"]
        assert a.parent_id == b.parent_id == runs[0].span_id
        assert missing.parent_id == runs[1].span_id
        assert (a.kind, a.status, missing.status) == ("CLIENT", "UNSET", "ERROR")
        assert (a.attributes["http.response.body.size"], b.attributes["http.response.body.size"]) == (2, 1)
        assert (missing.attributes["error.type"], runs[1].status) == ("404", "ERROR")
        assert (a.attributes["server.address"], a.attributes["server.port"]) == ("127.0.0.1", files.port)
        assert runs[0].start_ns <= a.start_ns <= a.end_ns <= runs[0].end_ns
        exported = b"".join(each.body for each in collector.receiver.received)
        assert b"secret" not in exported
        assert b"password" not in exported


READS_A_PART: Final = """
import cog

class Predictor(cog.BasePredictor):
    def predict(self, file: cog.File) -> str:
        return file.read(1).decode()
"""


def test_a_file_that_is_read_in_part_has_not_failed(serve: Serve) -> None:
    with Receiver({}).listening() as files, collecting() as collector:
        url = files.add("/a", b"a" * 1_000_000)
        with serve(Model(READS_A_PART), variables=collector.variables) as server:
            assert predict(server, {"file": url})["output"] == "a"
        (span,) = collector.named("download")
        assert (span.status, "error.type" in span.attributes) == ("UNSET", False)


# the log


def test_records_of_the_log_have_the_trace(server: Server, collector: Collector) -> None:
    predict(server, returning("print('printed')"), id="logged")
    request, run = collector.wait_spans(REQUEST, "run")
    server.wait_log('"message":"Prediction succeeded","prediction_id":"logged"')

    def records() -> list[dict[str, Any]]:
        fields = [record["fields"] for record in server.records]
        return [each for each in fields if each.get("prediction_id") == "logged"]

    found = {each["message"]: (each["trace_id"], each["span_id"]) for each in wait_for(records, "records")}
    assert found == {
        "Starting prediction": (TRACE_ID, request.span_id),
        "printed": (TRACE_ID, run.span_id),
        "Prediction succeeded": (TRACE_ID, run.span_id),
    }


# over a restart


def terminate(server: Server) -> None:
    """Return when the server starts nothing more: what ends now must not make room for what waits."""
    server.process.terminate()
    server.wait_log("Received SIGTERM")


def test_the_trace_continues_in_the_next_server(serve: Serve, tmp_path: Path) -> None:
    records = {"COG_QUEUE_SIZE": "5", "COG_RECORDS": f"sqlite:{tmp_path}/records.db"}
    with collecting() as collector, Receiver().listening() as web:
        variables = {**collector.variables, **records}
        with serve("script", variables=variables) as server, holding(server, "first"):
            body = {"input": HELLO, "id": "second", "webhook": web.url}
            server.request("POST", "/predictions", body, {**PARENT, "Prefer": "respond-async"})
            terminate(server)
        with serve("script", variables=variables):
            web.wait_end("second")
        spans = [span for span in collector.spans if span.trace_id == TRACE_ID]
        (request,) = [span for span in spans if span.name == REQUEST]
        (run,) = [span for span in spans if span.name == "run"]
        assert run.parent_id == request.span_id
        assert run.attributes["coglet.prediction.status"] == "succeeded"
        assert {span.parent_id for span in spans if span.name == "webhook"} == {request.span_id}


def test_a_run_without_a_trace_has_a_root_of_its_own(serve: Serve, tmp_path: Path) -> None:
    records = {"COG_QUEUE_SIZE": "5", "COG_RECORDS": f"sqlite:{tmp_path}/records.db"}
    with collecting() as collector:
        with serve("script", variables=records) as server, holding(server, "first"):
            server.start(HELLO, id="second")
            terminate(server)
        with serve("script", variables={**collector.variables, **records}):
            root, run = collector.wait_spans("prediction", "run")
    assert root.parent_id == ""
    assert ids(run) == (root.trace_id, root.span_id)
    assert root.start_ns <= run.start_ns <= run.end_ns == root.end_ns
    statuses = {span.attributes["coglet.prediction.status"] for span in (root, run)}
    assert statuses == {"succeeded"}
