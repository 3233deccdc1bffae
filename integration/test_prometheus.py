"""GET /metrics under real predictions, read by Prometheus' own parsers (docs/metrics.md)."""

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from integration.conftest import Serve
from testing import prometheus
from testing.client import Address, Answer
from testing.events import streaming
from testing.holding import holding
from testing.http2 import fields, http2
from testing.model import Model
from testing.receiver import Received, Receiver, Reply
from testing.scraping import Scrape, scrape
from testing.script import returning, script
from testing.server import Server
from testing.waiting import DEADLINE_S, wait_for

STREAMING = replace(Model.named("script"), is_streaming=True)

pytestmark = pytest.mark.ours("operations.md, section 1")


def record(values: dict[str, Any]) -> None:
    from cog import current_scope

    for name, value in values.items():
        current_scope().record_metric(name, value)


def stream_held(until: str) -> Iterator[str]:
    import pathlib
    import time

    yield "first"
    while not pathlib.Path(until).exists():
        time.sleep(0.01)


@pytest.fixture
def server(serve: Serve) -> Iterator[Server]:
    with serve("script") as server:
        yield server


def scraped_once(server: Server, holds: Callable[[Scrape], bool], what: str) -> Scrape:
    """Scrape until the condition holds, and return the last scrape."""

    def found() -> Scrape | None:
        seen = scrape(server.address)
        return seen if holds(seen) else None

    return wait_for(found, what)


def settled_webhooks(server: Server) -> dict[tuple[str, ...], float]:
    """Return the webhooks that were counted, once none is left to deliver."""
    seen = scraped_once(server, lambda seen: seen.value("coglet_webhook_backlog") == 0, "an empty backlog")
    return {key: number for key, number in seen.values("coglet_webhooks_total").items() if number}


def test_counts_are_exact(server: Server) -> None:
    """After three succeeded, two failed and one canceled; in both formats."""
    outputs = [
        server.predict(returning(f"'x' * {length}")).json()["output"] for length in (10, 1000, 100_000)
    ]
    assert [len(output) for output in outputs] == [10, 1000, 100_000]
    for _ in range(2):
        assert server.predict(returning("1 / 0")).json()["status"] == "failed"
    with holding(server, "canceled") as answer:
        server.cancel("canceled")
        assert answer.result().json()["status"] == "canceled"
    plain, openmetrics = scrape(server.address), scrape(server.address, openmetrics=True)
    for seen in (plain, openmetrics):
        assert seen.values("coglet_predictions_total") == {
            ("prediction", "succeeded"): 3,
            ("prediction", "failed"): 2,
            ("prediction", "canceled"): 1,
        }
        for name in ("prediction_seconds", "queue_seconds", "input_bytes", "output_bytes"):
            assert seen.value(f"coglet_{name}_count") == 6, name
            assert seen.value(f"coglet_{name}_bucket", "+Inf") == 6, name
        # Three texts in quotes; what has failed has no output.
        assert seen.value("coglet_output_bytes_sum") == 101_010 + 3 * len('""')
        assert seen.value("coglet_output_bytes_bucket", "256.0") == 4
        assert 0 < seen.value("coglet_prediction_seconds_sum") < 60
        assert seen.value("coglet_predictions_in_progress") == 0
        assert seen.values("coglet_slots") == {("idle",): 1, ("busy",): 0}
        assert seen.value("coglet_workers", "ready") == 1
        assert seen.value("coglet_worker_memory_bytes", "0") > 10_000_000
        assert 0 < seen.value("coglet_setup_seconds") < 60
        assert seen.value("process_resident_memory_bytes") > 10_000_000
        (build,) = seen.values("coglet_build_info")
        assert server.health()["version"]["coglet"] in build


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/openmetrics-text; version=abc", "application/openmetrics-text; version=1.0.0"),
        ('application/openmetrics-text;version="1.0.0"', "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text; version=99999.0.0", "application/openmetrics-text; version=1.0.0"),
        ("text/plain; version=1.0.0-rc, */*", "text/plain; version=0.0.4"),
        ("application/json", "text/plain; version=0.0.4"),
    ],
)
def test_formats_that_are_asked_for(server: Server, accept: str, content_type: str) -> None:
    answer = get(server.address, "/metrics", Accept=accept)
    assert (answer.status, answer.headers["content-type"].startswith(content_type)) == (200, True)


def test_requests_are_counted_by_their_route(serve: Serve) -> None:
    """Whatever clients put into paths, the number of series stays the same."""
    with serve("script", variables={"COG_MODEL_NAME": "owner/name"}) as server:
        before = scrape(server.address)
        for number in range(3):
            server.request("PUT", f"/predictions/unique-{number}", {"input": returning("1")})
            server.request("GET", f"/predictions/unique-{number}")
            server.request("GET", f"/v1/predictions/unique-{number}")
            server.request("POST", f"/predictions/unique-{number}/cancel")
            server.request("GET", f"/unique-{number}")
            server.request("GET", f"/docs/unique-{number}")
        server.predict({})
        with http2(server.address) as client:
            assert client.request(fields()) == (200, b"ok")
        after = scrape(server.address)
    earlier = before.values("coglet_http_requests_total")
    counted = after.values("coglet_http_requests_total")
    new = {key: value - earlier.get(key, 0) for key, value in counted.items() if value > earlier.get(key, 0)}
    assert new == {
        ("200", "/predictions/{id}"): 6,
        ("200", "/v1/predictions/{prediction_id}"): 3,
        ("200", "/predictions/{id}/cancel"): 3,
        ("404", "(none)"): 3,
        ("404", "/docs/{name}"): 3,
        ("422", "/predictions"): 1,
        ("200", "/metrics"): 1,
        ("200", "/livez"): 1,
    }
    # An alert on the increase of errors would not see a series that begins with 1.
    assert {route for code, route in counted if code == "500"} == {route for _, route in counted}
    assert "unique" not in after.text


def test_what_runs_waits_and_streams(serve: Serve) -> None:
    with serve(STREAMING, variables={"COG_QUEUE_SIZE": "5"}) as server, ExitStack() as stack:
        gate = server.folder / "gate"
        stack.callback(gate.touch)
        held = script(stream_held, until=gate.name)
        running = stack.enter_context(streaming(server, held))
        running.next_named("output")
        waiting = stack.enter_context(streaming(server, held))
        seen = scrape(server.address)
        assert seen.values("coglet_slots") == {("idle",): 0, ("busy",): 1}
        assert seen.value("coglet_queue_length") == 1
        assert seen.value("coglet_queue_capacity") == 5
        assert seen.value("coglet_predictions_in_progress") == 2
        assert seen.value("coglet_streams_open") == 2
        assert seen.value("coglet_queue_seconds_count") == 0
        gate.touch()
        running.next_named("completed")
        waiting.next_named("completed")
        after = scraped_once(server, lambda seen: seen.value("coglet_streams_open") == 0, "closed streams")
        assert after.value("coglet_queue_length") == after.value("coglet_predictions_in_progress") == 0
        assert after.value("coglet_queue_seconds_count") == 2
        assert after.value("coglet_queue_seconds_sum") > 0


def test_replaced_workers_are_counted_by_reason(server: Server) -> None:
    assert server.predict(returning("os._exit(3)", "os")).json()["status"] == "failed"
    server.wait_status("READY")
    server.signal(signal.SIGHUP)
    name = "coglet_worker_restarts_total"
    seen = scraped_once(server, lambda seen: seen.value(name, "reloaded") == 1, "reload")
    assert {key: value for key, value in seen.values(name).items() if value} == {
        ("crashed",): 1,
        ("reloaded",): 1,
    }
    assert seen.values("coglet_workers") == {
        ("starting",): 0,
        ("ready",): 1,
        ("setup_failed",): 0,
        ("defunct",): 0,
    }
    assert list(seen.values("coglet_worker_memory_bytes")) == [("0",)]


def test_a_failed_setup_is_a_state_of_the_worker(serve: Serve) -> None:
    source = "from cog import BasePredictor\nraise RuntimeError\nclass Predictor(BasePredictor): ...\n"
    with serve(Model(source), until="SETUP_FAILED") as server:
        seen = scrape(server.address)
    assert seen.value("coglet_workers", "setup_failed") == 1
    assert seen.value("coglet_workers", "ready") == 0
    assert seen.values("coglet_setup_seconds") == {}


def test_webhooks_are_counted_by_outcome(server: Server) -> None:
    """One is delivered at the second attempt, one is refused; one is still waiting for its answer."""
    statuses = iter((500, 200, 410, 200))
    may_answer = threading.Event()

    def answer(request: Received) -> Reply:
        if request.path == "/slow":
            may_answer.wait(DEADLINE_S)
        return Reply(next(statuses))

    ends = {"webhook_events_filter": ["completed"]}
    with Receiver().listening() as receiver:
        receiver.answer = answer
        server.predict(returning("1"), webhook=f"{receiver.url}/repeated", **ends)
        receiver.wait_count(2)
        server.predict(returning("1"), webhook=f"{receiver.url}/refused", **ends)
        receiver.wait_count(3)
        outcomes = settled_webhooks(server)
        assert outcomes == {
            ("completed", "delivered"): 1,
            ("completed", "retried"): 1,
            ("completed", "failed"): 1,
        }
        server.predict(returning("1"), webhook=f"{receiver.url}/slow", **ends)
        scraped_once(server, lambda seen: seen.value("coglet_webhook_backlog") == 1, "a waiting webhook")
        may_answer.set()
        assert settled_webhooks(server)["completed", "delivered"] == 2


def test_webhooks_of_the_start_and_of_progress(server: Server) -> None:
    events = ["start", "output", "completed"]
    with Receiver().listening() as receiver:
        server.predict(returning("1"), webhook=receiver.url, webhook_events_filter=events)
        receiver.wait_count(3)
        outcomes = settled_webhooks(server)
    assert outcomes == {
        ("start", "delivered"): 1,
        ("progress", "delivered"): 1,
        ("completed", "delivered"): 1,
    }


def test_scrapes_during_load_are_consistent(serve: Serve) -> None:
    """In each scrape all counts belong to the same moment, and none decreases."""
    with serve("async_script", variables={"COG_MAX_CONCURRENCY": "8"}) as server:
        source = {"code": "async def predict():\n    return 1"}
        with ThreadPoolExecutor(8) as pool:
            answers = [
                pool.submit(server.address.request, "POST", "/predictions", {"input": source})
                for _ in range(400)
            ]
            ended = [0.0]
            while not all(answer.done() for answer in answers):
                seen = scrape(server.address, openmetrics=len(ended) % 2 == 0)
                succeeded = seen.value("coglet_predictions_total", "prediction", "succeeded")
                assert seen.value("coglet_prediction_seconds_count") == succeeded
                assert seen.value("coglet_output_bytes_sum") == succeeded * len("1")
                ended.append(succeeded)
        assert {answer.result().status for answer in answers} == {200}
        assert ended == sorted(ended)
        last = scrape(server.address)
        assert last.value("coglet_predictions_total", "prediction", "succeeded") == 400
        assert last.value("coglet_http_requests_total", "200", "/predictions") == 400


def test_metrics_of_the_model(serve: Serve) -> None:
    export = "tokens, timing.load,tokens.count tokens_sum 9bad"
    with serve("script", variables={"COG_METRICS_EXPORT": export}) as server:
        server.predict(script(record, values={"tokens": 3, "timing.load": 0.5, "not_exported": 1}))
        server.predict(script(record, values={"tokens": 4}))
        server.predict(script(record, values={"tokens": "many"}))
        seen = scrape(server.address, openmetrics=True)
        assert {name for name in seen.names if name.startswith("coglet_model_")} == {
            "coglet_model_tokens_count",
            "coglet_model_tokens_sum",
            "coglet_model_timing_load_count",
            "coglet_model_timing_load_sum",
        }
        assert seen.value("coglet_model_tokens_sum") == 7
        assert seen.value("coglet_model_tokens_count") == 2
        assert seen.value("coglet_model_timing_load_sum") == 0.5
        for problem in (
            "COG_METRICS_EXPORT: 'tokens.count' and 'tokens' have the same name in Prometheus; it is ignored",
            "COG_METRICS_EXPORT: 'tokens_sum' and 'tokens' have the same name in Prometheus; it is ignored",
            "COG_METRICS_EXPORT: '9bad' is not the name of a metric; it is ignored",
        ):
            server.wait_log(problem)


def get(address: Address, path: str, **headers: str) -> Answer:
    return address.request("GET", path, headers=headers)


def test_they_can_be_off(serve: Serve) -> None:
    with serve("script", variables={"COG_METRICS": "off"}) as server:
        assert server.predict(returning("1")).json()["output"] == 1
        assert get(server.address, "/metrics").status == 404


def test_they_need_the_token(serve: Serve) -> None:
    with serve("script", variables={"COG_API_TOKEN": "sesame"}) as server:
        assert get(server.address, "/metrics").status == 401
        assert scrape(server.address, token="sesame").value("coglet_workers", "ready") == 1


def test_a_port_of_their_own_needs_no_token(serve: Serve, port: int) -> None:
    """It serves nothing else, and the main port does not serve them."""
    variables = {"COG_METRICS": str(port), "COG_API_TOKEN": "sesame"}
    with serve("script", variables=variables) as server:
        own = Address(server.address.host, port)
        assert scrape(own).value("coglet_workers", "ready") == 1
        assert get(own, "/health-check").status == 404
        assert get(own, "/metrics", Host="evil.example").status == 403
        assert own.request("POST", "/metrics").status == 405
        assert get(server.address, "/metrics").status == 401
        assert get(server.address, "/metrics", Authorization="Bearer sesame").status == 404


def test_other_methods(server: Server) -> None:
    answer = server.address.request("POST", "/metrics")
    assert (answer.status, answer.headers["allow"]) == (405, "GET,HEAD")
    head = server.address.request("HEAD", "/metrics")
    assert (head.status, head.body) == (200, b"")


def test_they_can_be_read_until_the_last_prediction_has_ended(serve: Serve, port: int) -> None:
    with serve("script", variables={"COG_METRICS": str(port)}) as server:
        own = Address(server.address.host, port)
        with holding(server, "last"):
            server.signal(signal.SIGTERM)
            server.wait_log("Received SIGTERM")
            assert scrape(own).value("coglet_predictions_in_progress") == 1
        assert server.wait_exit() == 0
        with pytest.raises(ConnectionError):
            own.request("GET", "/metrics")


def test_a_port_that_is_in_use_is_reported(serve: Serve) -> None:
    with Receiver().listening() as receiver:
        with serve("script", variables={"COG_METRICS": str(receiver.port)}, until=None) as server:
            assert server.wait_exit() == 1
            server.wait_log(f"cannot listen on {server.address.host}:{receiver.port}")


@pytest.mark.skipif(not prometheus.INSTALLED, reason=prometheus.NOT_INSTALLED)
def test_promtool_accepts_them(server: Server) -> None:
    server.predict(returning("1"))
    text = scrape(server.address).text
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=30, check=False
    )
    assert (checked.returncode, checked.stderr, checked.stdout) == (0, "", "")
