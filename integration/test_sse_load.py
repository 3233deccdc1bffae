"""Issue 3: long streams arrive whole, and a reader that does not read costs neither time nor memory."""

from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest
from integration.conftest import Serve
from testing.events import streaming
from testing.model import Model
from testing.script import returning, script
from testing.server import Server

STREAMING = replace(Model.named("script"), is_streaming=True)
MANY = 100_000
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve(STREAMING) as server:
        yield server


@pytest.mark.ours("issue 3: no live reader lags for being remote; the peer drops what is 1024 events behind")
def test_a_hundred_thousand_tokens_arrive_in_order(server: Server) -> None:
    with streaming(server, returning(f"(f'token {{n}} ' for n in range({MANY}))")) as stream:
        events = stream.rest()
    assert [event.data for event in events if event.name == "output"] == [
        {"chunk": f"token {number} ", "index": number} for number in range(MANY)
    ]
    assert [event.number for event in events] == list(range(MANY + 2))
    assert events[-1].data["output"][-1] == f"token {MANY - 1} "


@pytest.mark.ours("issue 3: as above")
def test_a_hundred_thousand_log_lines_are_kept_in_order(server: Server) -> None:
    def predict(lines: int) -> None:
        for number in range(lines):
            print("line", number)

    expected = "".join(f"line {number}\n" for number in range(MANY))
    with streaming(server, script(predict, lines=MANY)) as stream:
        events = stream.rest()
    assert "".join(event.data["data"] for event in events if event.name == "log") == expected
    assert events[-1].data["logs"] == expected
    assert server.predict(script(predict, lines=MANY)).json()["logs"] == expected


@pytest.mark.ours("issue 3: the stream says what the reader missed, and still sends the end")
def test_a_reader_that_does_not_read_delays_nothing_and_costs_little(server: Server) -> None:
    def predict(count: int, length: int) -> str:
        from cog import current_scope

        for number in range(count):
            current_scope().record_metric("progress", f"{number} " + "x" * length)
        return "done"

    server.predict(script(predict, count=1, length=1))  # lazy imports are done now
    supervisor = psutil.Process(server.process.pid)
    before = supervisor.memory_info().rss
    count, length = 4000, 50_000  # 200 MB of events; the prediction's state keeps only the latest
    with streaming(server, script(predict, count=count, length=length)) as stream:
        prediction_id = stream.next_named("start").data["id"]
        # The client reads no more; the prediction still ends, so the model did not wait for it.
        server.wait_status("READY")
        assert not server.peek(prediction_id)
        grown = supervisor.memory_info().rss - before
        events = stream.rest()
    assert grown < 64 * MIB
    lost = [event.data for event in events if event.name == "error"]
    assert [each["error"] for each in lost] == ["SSE stream lagged; events were dropped"]
    assert len([event for event in events if event.name == "metric"]) == count - lost[0]["skipped"]
    assert events[-1].name == "completed"
    assert events[-1].data["output"] == "done"
