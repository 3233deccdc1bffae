"""Input files: downloaded before `run`, deleted after it, and they never delay a cancel (5.3, 5.6)."""

import threading
from collections.abc import Iterator

import msgspec
import pytest
from integration.worker.conftest import StartWorker
from testing.prediction import Prediction, Result
from testing.receiver import Peer, Receiver, Reply
from testing.waiting import wait_for
from testing.worker import Worker

from coglet_protocol import slot

MODEL = """
    import os
    import cog

    class Runner:
        {prefix}def run(self, files: list[cog.Path], fail: bool = False):
            if fail: raise ValueError("failed")
            temporary = cog.Path(os.environ["TMPDIR"])
            return [[file.read_text(), file.suffix, file.parent == temporary] for file in files]
"""
PREFIXES = pytest.mark.parametrize("prefix", ["", "async "], ids=["sync", "async"])


class Gate:
    """A page that is sent in two halves, the second one after `open`."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()

    def send(self, peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        self.reached.set()
        self._open.wait()
        peer.send(b"half")

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def web() -> Iterator[Receiver]:
    with Receiver({}).listening() as receiver:
        yield receiver


@pytest.fixture
def gate(web: Receiver) -> Iterator[Gate]:
    gate = Gate()
    web.pages["/gate"] = Reply(write=gate.send)
    yield gate
    gate.open()


def wait_clean(worker: Worker) -> None:
    """Wait for the temporary folder to be empty: an interrupted download ends after its prediction."""
    wait_for(lambda: not list(worker.temporary.iterdir()), "end of the temporary files")


@PREFIXES
def test_they_exist_before_run_and_are_deleted_after_it(
    start_worker: StartWorker, web: Receiver, prefix: str
) -> None:
    worker = start_worker(MODEL.format(prefix=prefix))
    urls = [web.add(f"/{n}.txt", f"text {n}".encode()) for n in range(20)]
    result = worker.predict(files=[*urls, "data:text/html,hello"]).result()
    assert result.output == [*([f"text {n}", ".txt", True] for n in range(20)), ["hello", ".html", True]]
    wait_clean(worker)


@PREFIXES
def test_they_are_deleted_after_a_failure_of_the_model(
    start_worker: StartWorker, web: Receiver, prefix: str
) -> None:
    worker = start_worker(MODEL.format(prefix=prefix))
    assert "failed" in worker.predict(files=[web.add("/a", b"a")], fail=True).result().error
    wait_clean(worker)


@PREFIXES
def test_one_that_fails_fails_the_prediction_at_once(
    start_worker: StartWorker, web: Receiver, gate: Gate, prefix: str
) -> None:
    worker = start_worker(MODEL.format(prefix=prefix))
    files = [f"{web.url}/gate", web.add("/missing", b"", 404)]
    error = worker.predict(files=files).result().error
    assert error == f"Input validation error: 404 Client Error: Not Found for url: {web.url}/missing"
    assert worker.predict(files=[]).result().output == []
    gate.open()
    wait_clean(worker)


@PREFIXES
def test_a_cancel_does_not_wait_for_them(
    start_worker: StartWorker, web: Receiver, gate: Gate, prefix: str
) -> None:
    worker = start_worker(MODEL.format(prefix=prefix))
    prediction = worker.predict(files=[f"{web.url}/gate"])
    gate.reached.wait()
    worker.cancel(prediction.message)
    assert prediction.result().is_canceled
    assert worker.predict(files=[web.add("/a.txt", b"a")]).result().output == [["a", ".txt", True]]
    gate.open()
    wait_clean(worker)


def test_other_predictions_run_meanwhile(start_worker: StartWorker, web: Receiver, gate: Gate) -> None:
    worker = start_worker(MODEL.format(prefix="async "), slots=2)
    waiting = worker.predict(files=[f"{web.url}/gate"])
    gate.reached.wait()
    assert worker.predict(on=1, files=[]).result().output == []
    gate.open()
    assert waiting.result().output == [["halfhalf", "", True]]
    wait_clean(worker)


TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=b"}
NOT_SAMPLED = {"traceparent": TRACE["traceparent"].removesuffix("01") + "00"}


def predict_traced(worker: Worker, url: str, trace: dict[str, str]) -> Prediction:
    """Start a prediction with one file."""
    message = worker.next_message(input=msgspec.json.encode({"files": [url]}))
    return worker.send_predict(msgspec.structs.replace(message, trace=trace))


def reports(result: Result) -> list[slot.Downloaded]:
    return [message for message in result.messages if isinstance(message, slot.Downloaded)]


@PREFIXES
def test_a_traced_download_is_reported(start_worker: StartWorker, web: Receiver, prefix: str) -> None:
    worker = start_worker(MODEL.format(prefix=prefix))
    url = web.add("/a.txt", b"1234").replace("://", "://user:password@")
    [report] = reports(predict_traced(worker, url, TRACE).result())
    assert (report.origin, report.size_bytes, report.error) == (web.url, 4, None)
    assert report.started_ns <= report.ended_ns
    [request] = web.received
    assert request.headers["traceparent"] == f"00-0af7651916cd43dd8448eb211c80319c-{report.span_id:016x}-01"
    assert request.headers["tracestate"] == "a=b"


@PREFIXES
def test_a_traced_download_that_fails(start_worker: StartWorker, web: Receiver, prefix: str) -> None:
    worker = start_worker(MODEL.format(prefix=prefix))
    [report] = reports(predict_traced(worker, f"{web.url}/missing", TRACE).result())
    assert report.error == "404"


@PREFIXES
def test_a_download_that_is_cut_by_a_cancel_is_reported_before_the_end(
    start_worker: StartWorker, web: Receiver, gate: Gate, prefix: str
) -> None:
    worker = start_worker(MODEL.format(prefix=prefix))
    prediction = predict_traced(worker, f"{web.url}/gate", TRACE)
    gate.reached.wait()
    worker.cancel(prediction.message)
    result = prediction.result()
    assert result.is_canceled
    assert [report.error for report in reports(result)] == ["canceled"]


def test_a_download_that_is_not_sampled_or_not_traced_is_not_reported(
    start_worker: StartWorker, web: Receiver
) -> None:
    worker = start_worker(MODEL.format(prefix=""))
    url = web.add("/a.txt", b"a")
    assert not reports(predict_traced(worker, url, NOT_SAMPLED).result())
    assert not reports(predict_traced(worker, url, {}).result())
    first, second = web.received
    assert first.headers["traceparent"].startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert first.headers["traceparent"].endswith("-00")
    assert "traceparent" not in second.headers
