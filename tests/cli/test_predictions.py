"""Parts of `cog predictions`: the table, the lines that a prediction prints, and errors of servers."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from testing.ports import HOST, reserved_port
from testing.receiver import Received, Receiver, Reply, answering, page

from coglet_cli.main import main
from coglet_cli.prediction.listing import as_table
from coglet_cli.prediction.printed import PrintedLines
from coglet_cli.terminal import Terminal

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("utc")
def test_the_table() -> None:
    created = "2026-01-02T11:59:00.250000Z"
    records = [
        {"id": "waiting", "status": "starting", "created_at": created},
        {"id": "b", "status": "processing", "created_at": created, "started_at": "2026-01-02T11:59:58Z"},
        {
            "id": "c",
            "status": "failed",
            "created_at": created,
            "started_at": created,
            "completed_at": "2026-01-02T11:59:00.750000Z",
        },
    ]
    assert as_table(records, NOW).splitlines() == [
        "ID       STATUS      CREATED              DURATION",
        "waiting  starting    2026-01-02 11:59:00  -",
        "b        processing  2026-01-02 11:59:00  2.0 s",
        "c        failed      2026-01-02 11:59:00  0.5 s",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0.0 s"), (59.94, "59.9 s"), (59.96, "1 min 0 s"), (3599, "59 min 59 s"), (3720, "1 h 2 min")],
)
def test_durations(seconds: float, text: str) -> None:
    started = (NOW - timedelta(seconds=seconds)).isoformat()
    (_, row) = as_table([{"id": "a", "status": "processing", "started_at": started}], NOW).splitlines()
    assert row == f"a   processing  -        {text}"


def test_an_empty_table_has_headings() -> None:
    assert as_table([], NOW) == "ID  STATUS  CREATED  DURATION"


def test_each_line_is_printed_once_when_it_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    lines = PrintedLines(Terminal(color=False))
    shown = []
    for logs in ("", "one\ntw", "one\ntwo", "one\ntwo\n", "one\ntwo\nthree"):
        lines.update(logs)
        shown.append(capsys.readouterr().err)
    lines.end()
    assert shown == ["", "one\n", "", "two\n", ""]
    assert capsys.readouterr().err == "three\n"


def test_pieces_of_a_stream_and_then_the_whole_text(capsys: pytest.CaptureFixture[str]) -> None:
    lines = PrintedLines(Terminal(color=False))
    lines.add("one\nt")
    lines.add("wo\n")
    lines.update("one\ntwo\nthree\n")
    lines.end()
    assert capsys.readouterr().err == "one\ntwo\nthree\n"


# Longer than what is compared.
LONG = "c" * 1500


@pytest.mark.parametrize(
    ("later", "text"),
    [
        pytest.param(f"a\n[1 LINES DROPPED]\n{LONG}\nd\n", "d\n", id="known-end"),
        pytest.param("a\n[9 LINES DROPPED]\ny\nz\n", "[9 LINES DROPPED]\ny\nz\n", id="gap"),
    ],
)
def test_logs_whose_middle_the_server_drops(
    capsys: pytest.CaptureFixture[str], later: str, text: str
) -> None:
    first = f"a\nb\n{LONG}\n"
    lines = PrintedLines(Terminal(color=False))
    lines.update(first)
    lines.update(later)
    assert capsys.readouterr().err == first + text


DOCUMENT = {
    "components": {
        "schemas": {
            "Input": {"properties": {}},
            "Output": {"type": "array", "items": {"type": "string"}, "x-cog-array-display": "concatenate"},
        }
    }
}
DOCUMENT_PAGE = {"/openapi.json": page(200, "application/json", json.dumps(DOCUMENT))}


def state(status: str, **fields: Any) -> Reply:
    body = {"id": "p", "status": status, "created_at": "2026-01-02T11:59:00Z", **fields}
    return page(200, "application/json", json.dumps(body))


@pytest.mark.parametrize("arguments", [["p"], ["p", "-f"], ["p", "--json"]])
@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (
            page(404, "application/json", '{"detail": "prediction \'p\' is not known"}'),
            "prediction 'p' is not known, according to the model server at {0}\n\n"
            "hint: `cog predictions --url {0}` lists those that it keeps\n",
        ),
        (
            page(410, "application/json", '{"detail": "prediction \'p\' has expired"}'),
            "prediction 'p' has expired, according to the model server at {0}\n\nhint: ",
        ),
        (
            page(405, "text/plain", ""),
            "the model server at {0} cannot be asked for predictions: GET /predictions/p returned status 405"
            "\n\nhint: servers of Cog return a prediction to the client that creates it, and keep none; ",
        ),
        (page(404, "text/html", "<p>"), "GET /predictions/p at {0} returned status 404: <p>\n"),
        (page(500, "text/plain", ""), "GET /predictions/p at {0} returned status 500\n"),
        (page(200, "text/plain", "hello"), "GET /predictions/p at {0} returned status 200: hello\n"),
    ],
)
def test_a_server_without_that_prediction(
    capsys: pytest.CaptureFixture[str], arguments: list[str], reply: Reply, message: str
) -> None:
    with answering({**DOCUMENT_PAGE, "/predictions/p": reply}) as url:
        assert main(["predictions", "--url", f"{url}/", *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {message.format(url)}")


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (
            page(405, "text/plain", ""),
            "the model server at {} cannot be asked for predictions: GET /predictions?limit=20 returned",
        ),
        (page(404, "text/plain", ""), "GET /predictions at {} returned status 404\n"),
        (page(200, "application/json", "{}"), "GET /predictions at {} returned no list of predictions\n"),
    ],
)
def test_a_server_without_a_list(capsys: pytest.CaptureFixture[str], reply: Reply, message: str) -> None:
    with answering({"/predictions": reply}) as url:
        assert main(["predictions", "--url", url]) == 1
    assert capsys.readouterr().err.startswith(f"error: {message.format(url).replace('?limit=20', '')}")


def test_an_empty_id_is_not_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predictions", ""]) == 1
    assert capsys.readouterr().err.startswith("error: the ID of the prediction is empty\n")


@pytest.mark.parametrize("arguments", [[], ["p"], ["p", "-f"], ["p", "--cancel"]])
def test_a_server_that_does_not_respond(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with reserved_port() as port:
        url = f"http://{HOST}:{port}"
        assert main(["predictions", "--url", url, *arguments]) == 1
    assert capsys.readouterr().err.startswith(f"error: no response from the model server at {url}: ")


@pytest.mark.parametrize(
    ("pages", "code", "text"),
    [
        ({"/predictions/p": state("canceled")}, 0, "Prediction p is canceled\n"),
        ({"/predictions/p": state("failed")}, 0, "Prediction p had already ended: failed\n"),
        # The model does not stop, or the server is one of Cog, which cannot be asked for the state.
        ({"/predictions/p": state("processing")}, 0, "Asked the server to cancel prediction p; it ends when"),
        ({"/predictions/p": page(405, "", "")}, 0, "Asked the server to cancel prediction p; it ends when"),
        (
            {"/predictions/p/cancel": page(404, "application/json", "{}")},
            1,
            "error: prediction 'p' is not known, according to the model server at ",
        ),
        ({"/predictions/p/cancel": page(500, "", "")}, 1, "error: POST /predictions/p/cancel at "),
    ],
)
def test_a_cancelation(
    capsys: pytest.CaptureFixture[str], pages: dict[str, Reply], code: int, text: str
) -> None:
    with Receiver({"/predictions/p/cancel": page(200, "", "{}"), **pages}).listening() as server:
        assert main(["predictions", "--url", server.url, "p", "--cancel"]) == code
        assert (server.received[0].method, server.received[0].path) == ("POST", "/predictions/p/cancel")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(text)


def test_an_id_is_quoted_in_the_path(capsys: pytest.CaptureFixture[str]) -> None:
    with Receiver(DOCUMENT_PAGE).listening() as server:
        main(["predictions", "--url", server.url, "a/b?c"])
        assert server.received[0].path == "/predictions/a%2Fb%3Fc"
    assert "at http" in capsys.readouterr().err


EVENTS = (
    'event: error\ndata: {"detail": "SSE stream replay truncated", "skipped": 3}\n\n'
    ': keep-alive\n\nid: 4\nevent: log\ndata: {"source": "stdout", "data": "four\\n"}\n\n'
)
FINAL = {"id": "p", "status": "succeeded", "output": ["a", "b"], "logs": "x\nfour\n"}
COMPLETED = f"event: completed\ndata: {json.dumps(FINAL)}\n\n"


def following(events: Reply, *states: Reply) -> Receiver:
    """A server with a streaming model and a prediction that has these events, and these states in turn."""
    left = list(states)

    def answer(asked: Received) -> Reply:
        if asked.headers.get("accept") == "text/event-stream":
            return events
        return left.pop(0) if len(left) > 1 else left[0]

    server = Receiver(DOCUMENT_PAGE)
    server.answer = answer
    return server


STREAMING = state("processing", urls={"stream": "x"})


@pytest.mark.parametrize(
    ("events", "last", "logs"),
    [
        pytest.param(
            page(200, "text/event-stream", EVENTS + COMPLETED),
            state("succeeded", output=["a", "b"], logs="x\nfour\n"),
            "warning: the server did not keep 3 events of the prediction\nfour\n",
            id="gap",
        ),
        pytest.param(
            page(200, "text/event-stream", EVENTS + COMPLETED),
            page(404, "application/json", '{"detail": "gone"}'),
            "warning: the server did not keep 3 events of the prediction\nfour\n",
            id="not-kept-after-its-end",
        ),
        pytest.param(
            page(200, "text/event-stream", 'event: log\ndata: {"source": "stdout", "data": "x\\n"}\n\n'),
            state("succeeded", output=["a", "b"], logs="x\nfour\n"),
            "x\nfour\n",
            id="ends-early",
        ),
        pytest.param(
            page(406, "application/json", "{}"),
            state("succeeded", output=["a", "b"], logs="x\nfour\n"),
            "x\nfour\n",
            id="no-events",
        ),
    ],
)
def test_a_stream_with_less_than_all_events(
    capsys: pytest.CaptureFixture[str], events: Reply, last: Reply, logs: str
) -> None:
    with following(events, STREAMING, last).listening() as server:
        assert main(["predictions", "--url", server.url, "p", "-f"]) == 0
    assert capsys.readouterr() == ("ab\n", logs)


def test_an_async_prediction_needs_no_place_for_its_output(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "output").mkdir()  # the default place of a file
    schemas = {"Input": {"properties": {}}, "Output": {"type": "string", "format": "uri"}}
    document = page(200, "application/json", json.dumps({"components": {"schemas": schemas}}))
    accepted = page(202, "application/json", '{"status": "starting"}')
    with Receiver({"/openapi.json": document, "/predictions": accepted}).listening() as server:
        assert main(["predict", "--url", server.url, "--async", "--priority", "-3"]) == 0
        _, created = server.received
    assert created.headers["prefer"] == "respond-async"
    assert created.json() == {"input": {}, "priority": -3}
    assert capsys.readouterr().out == f"{created.path.removeprefix('/predictions/')}\n"
