"""runtime.md 10: which webhooks are sent, when, and in which order."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from integration.conftest import Serve
from testing.client import Answer
from testing.holding import holding
from testing.model import Model, inputs
from testing.receiver import HANG_UP, Received, Receiver, Reply, in_turn, redirect
from testing.script import returning, script
from testing.server import Server

TERMINAL = ("succeeded", "failed", "canceled")
HELLO = returning("'hello'")


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("script") as server:
        yield server


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().listening() as receiver:
        yield receiver


def predict(server: Server, receiver: Receiver, input: dict[str, Any], **fields: Any) -> Answer:
    return server.predict(input, webhook=f"{receiver.url}/hook", **fields)


def events(bodies: list[Any]) -> list[tuple[str, Any]]:
    return [(body["status"], body.get("output")) for body in bodies]


def last_logs_are(logs: str, received: list[Received]) -> bool:
    return bool(received) and received[-1].json()["logs"] == logs


# events


def test_a_single_value_is_sent_as_start_output_and_end(server: Server, receiver: Receiver) -> None:
    body = predict(server, receiver, HELLO).json()
    bodies = receiver.wait_end()
    receiver.wait_count(3)
    assert sorted(events(receiver.bodies()), key=str) == [
        ("processing", None),
        ("processing", ["hello"]),
        ("succeeded", "hello"),
    ]
    end = next(body for body in bodies if body["status"] == "succeeded")
    assert (end.pop("metrics").keys(), body.pop("metrics").keys()) == ({"predict_time"}, {"predict_time"})
    assert end == body


def test_the_start_is_sent_while_the_prediction_runs(server: Server, receiver: Receiver) -> None:
    with holding(server, "held", webhook=receiver.url):
        start = receiver.wait_count(1)[0].json()
    assert start.pop("logs") in ("", "held\n")
    assert start == {"id": "held", "metrics": {}, "status": "processing"}
    receiver.wait_end("held")


def test_each_output_is_sent_with_all_before_it(server: Server, receiver: Receiver) -> None:
    def predict() -> Any:
        import pathlib
        import time

        for item in range(3):
            yield item
            while not pathlib.Path(f"sent-{item}").exists():
                time.sleep(0.01)

    answer = server.begin(script(predict), webhook=receiver.url, webhook_events_filter=["output"])
    for item in range(3):
        assert receiver.wait_count(item + 1)[item].json()["output"] == list(range(item + 1))
        (server.folder / f"sent-{item}").touch()
    assert answer.result().json()["output"] == [0, 1, 2]


def test_the_end_of_a_failure(server: Server, receiver: Receiver) -> None:
    def predict() -> Any:
        print("before")
        yield 1
        raise ValueError("boom")

    server.predict(script(predict), webhook=receiver.url, webhook_events_filter=["completed"])
    (end,) = receiver.wait_end()
    assert end.pop("error").endswith("ValueError: boom")
    assert end.pop("metrics")["predict_time"] > 0
    assert end.pop("id").startswith("pred_")
    assert end == {"logs": "before\n", "output": [1], "status": "failed"}


def test_the_end_of_a_canceled_prediction(server: Server, receiver: Receiver) -> None:
    with holding(server, "cut", webhook=receiver.url, webhook_events_filter=["completed"]) as held:
        server.cancel("cut")
        assert held.result().json()["status"] == "canceled"
    (end,) = receiver.wait_end("cut")
    assert (end["status"], end["logs"], "error" in end) == ("canceled", "held\n", False)


def test_the_end_of_a_prediction_whose_worker_dies(serve: Serve, receiver: Receiver) -> None:
    with serve("script") as server:
        server.predict(
            returning("os._exit(3)", "os"), webhook=receiver.url, webhook_events_filter=["completed"]
        )
        (end,) = receiver.wait_end()
    assert end["status"] == "failed"
    assert end["error"]
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        (["start"], [("processing", None)]),
        (["output"], [("processing", ["hello"])]),
        (["completed"], [("succeeded", "hello")]),
    ],
)
def test_the_filter(server: Server, receiver: Receiver, wanted: list[str], sent: list[Any]) -> None:
    predict(server, receiver, HELLO, webhook_events_filter=wanted)
    receiver.wait_count(1)
    # What else could come would have come before this one, which is a prediction later.
    predict(server, receiver, HELLO, id="later", webhook_events_filter=["completed"])
    receiver.wait_end("later")
    assert events([body for body in receiver.bodies() if body["id"] != "later"]) == sent


def test_an_empty_filter_wants_nothing(server: Server, receiver: Receiver) -> None:
    predict(server, receiver, HELLO, webhook_events_filter=[])
    predict(server, receiver, HELLO, id="later", webhook_events_filter=["completed"])
    assert {body["id"] for body in receiver.wait_end("later")} == {"later"}


@pytest.mark.ours("decisions.md: no state is lost to the throttle, nor to the filter")
def test_throttled_logs_are_sent_at_the_end(serve: Serve, receiver: Receiver) -> None:
    def predict() -> None:
        for line in range(50):
            print(line, flush=True)

    with serve("script", variables={"COG_THROTTLE_RESPONSE_INTERVAL": "3600"}) as server:
        answer = server.predict(script(predict), webhook=receiver.url, webhook_events_filter=["logs"])
        received = receiver.wait_until(partial(last_logs_are, answer.json()["logs"]), "all logs")
    assert len(received) <= 2
    assert {request.json()["status"] for request in received} == {"processing"}


def test_without_an_interval_each_log_is_sent(serve: Serve, receiver: Receiver) -> None:
    def predict() -> None:
        import pathlib
        import time

        for line in ("a", "b"):
            print(line, flush=True)
            while not pathlib.Path(f"sent-{line}").exists():
                time.sleep(0.01)

    with serve("script", variables={"COG_THROTTLE_RESPONSE_INTERVAL": "0"}) as server:
        server.begin(script(predict), webhook=receiver.url, webhook_events_filter=["logs"])
        for logs, name in (("a\n", "sent-a"), ("a\nb\n", "sent-b")):
            receiver.wait_until(partial(last_logs_are, logs), f"logs {logs!r}")
            (server.folder / name).touch()


# the request


def test_the_request(serve: Serve, receiver: Receiver) -> None:
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=b"}
    with serve("script", variables={"WEBHOOK_AUTH_TOKEN": "secret"}) as server:
        body = {"input": HELLO, "webhook": f"{receiver.url}/a/b?c=d", "webhook_events_filter": ["completed"]}
        server.request("POST", "/predictions", body, trace | {"X-Other": "1"})
        (request,) = receiver.wait_count(1)
    assert (request.method, request.path) == ("POST", "/a/b?c=d")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept"] == "*/*"
    assert request.headers["user-agent"].startswith("coglet/")
    assert request.headers["authorization"] == "Bearer secret"
    assert {name: request.headers[name] for name in trace} == trace
    assert "x-other" not in request.headers


def test_no_token_no_authorization(server: Server, receiver: Receiver) -> None:
    predict(server, receiver, HELLO, webhook_events_filter=["completed"])
    (request,) = receiver.wait_count(1)
    assert "authorization" not in request.headers
    assert "traceparent" not in request.headers


def test_an_asynchronous_prediction_sends_webhooks_too(server: Server, receiver: Receiver) -> None:
    server.start(HELLO, id="async", webhook=receiver.url)
    assert receiver.wait_end("async")
    server.wait_status("READY")


def test_an_idempotent_prediction_sends_webhooks_too(server: Server, receiver: Receiver) -> None:
    server.request("PUT", "/predictions/put", {"input": HELLO, "webhook": receiver.url})
    assert receiver.wait_end("put")


@pytest.mark.ours("the schema is generated from the source")
def test_a_streamed_prediction_sends_webhooks_too(serve: Serve, receiver: Receiver) -> None:
    source = """
import cog

class Predictor(cog.BasePredictor):
    @cog.streaming
    def predict(self, name: str) -> cog.ConcatenateIterator[str]:
        yield from ("hello ", name)
"""
    with serve(Model(source)) as server:
        body = {"input": {"name": "Ada"}, "id": "stream", "webhook": receiver.url}
        answer = server.request("POST", "/predictions", body, {"Accept": "text/event-stream"})
        assert "event: completed" in answer.text
        (*_, end) = receiver.wait_end("stream")
    assert end["output"] == ["hello ", "Ada"]


def test_a_training_sends_webhooks_too(serve: Serve, receiver: Receiver) -> None:
    source = "def train(n: int) -> int:\n    return n + 1\n"
    components = {
        **inputs({}),
        "TrainingInput": inputs({"n": {"type": "integer"}}, "n")["Input"],
        "TrainingOutput": {"title": "TrainingOutput", "type": "integer"},
    }
    training = {"COG_TRAIN_TYPE_STUB": "predict.py:train"}
    with serve(Model(source, components), variables=training, flags=["--x-mode", "train"]) as server:
        server.request("POST", "/trainings", {"id": "t", "input": {"n": 1}, "webhook": receiver.url})
        (*_, end) = receiver.wait_end("t")
    assert (end["status"], end["output"]) == ("succeeded", 2)


def test_a_client_that_attaches_gets_no_webhooks(server: Server, receiver: Receiver) -> None:
    with holding(server, "one", webhook=f"{receiver.url}/first"):
        attached = {"input": HELLO, "webhook": f"{receiver.url}/second"}
        assert server.request("PUT", "/predictions/one", attached).status == 202
    receiver.wait_end("one")
    assert not receiver.bodies("/second")


def test_a_refused_request_sends_no_webhooks(server: Server, receiver: Receiver) -> None:
    assert server.predict({}, webhook=receiver.url).status == 422
    predict(server, receiver, HELLO, id="later", webhook_events_filter=["completed"])
    assert {body["id"] for body in receiver.wait_end("later")} == {"later"}


@pytest.mark.ours("runtime.md 16.15: validate the URL at the edge")
@pytest.mark.parametrize("url", ["", "nonsense", "ftp://host/", "http://", "http://host:70000/"])
def test_a_url_that_cannot_work_is_refused(server: Server, url: str) -> None:
    answer = server.predict(HELLO, webhook=url)
    assert answer.status == 422
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.startswith(
        "Failed to deserialize the JSON body into the target type: webhook: the URL "
    )


# delivery


@pytest.mark.parametrize("failing", [Reply(429), Reply(500), Reply(503), HANG_UP])
def test_the_end_is_tried_again_until_it_is_taken(server: Server, receiver: Receiver, failing: Reply) -> None:
    receiver.answer = in_turn(failing, failing, Reply())
    predict(server, receiver, HELLO, webhook_events_filter=["completed"])
    attempts = receiver.wait_count(3)
    assert len({attempt.body for attempt in attempts}) == 1
    assert attempts[1].at - attempts[0].at > 0.15
    assert attempts[2].at - attempts[1].at > 0.35


@pytest.mark.parametrize("status", [400, 404, 408])
def test_a_refusal_is_final(server: Server, receiver: Receiver, status: int) -> None:
    receiver.answer = in_turn(Reply(status), Reply())
    predict(server, receiver, HELLO, id="refused", webhook_events_filter=["completed"])
    receiver.wait_count(1)
    # By then a second attempt at the first would have been made: it is due earlier.
    receiver.answer = in_turn(Reply(500), Reply(500), Reply())
    predict(server, receiver, HELLO, id="later", webhook_events_filter=["completed"])
    receiver.wait_count(4)
    assert [body["id"] for body in receiver.bodies()] == ["refused", "later", "later", "later"]


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_repeats_the_request(server: Server, receiver: Receiver, status: int) -> None:
    receiver.answer = lambda request: redirect("/new", status) if request.path == "/hook" else Reply()
    predict(server, receiver, HELLO, webhook_events_filter=["completed"])
    receiver.wait_count(2)
    assert [(request.method, request.path) for request in receiver.received] == [
        ("POST", "/hook"),
        ("POST", "/new"),
    ]
    assert receiver.received[0].body == receiver.received[1].body


@pytest.mark.ours("decisions.md: only 307 and 308 redirect")
@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_to_a_page_does_not_count(server: Server, receiver: Receiver, status: int) -> None:
    receiver.answer = in_turn(redirect("/login", status), Reply())
    predict(server, receiver, HELLO, webhook_events_filter=["completed"])
    receiver.wait_count(2)
    assert {(request.method, request.path) for request in receiver.received} == {("POST", "/hook")}


@pytest.mark.ours("runtime.md 10.4: one queue a prediction, terminal last")
def test_they_arrive_in_order(server: Server, receiver: Receiver) -> None:
    def predict() -> Any:
        yield from range(5)

    ids = [f"ordered-{number}" for number in range(20)]
    for name in ids:
        server.predict(script(predict), id=name, webhook=f"{receiver.url}/{name}")
    for name in ids:
        receiver.wait_end(name)
        bodies = receiver.bodies(f"/{name}")
        assert [body["status"] in TERMINAL for body in bodies] == [False] * (len(bodies) - 1) + [True]
        lengths = [len(body.get("output", [])) for body in bodies]
        assert lengths == sorted(lengths)
        assert lengths[-1] == 5
