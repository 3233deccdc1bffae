"""hardening.md R19: a model that prints, yields or counts without end costs a prediction, not the server."""

import os
import re
import signal
from typing import Final

import pytest
from integration.chaos.supervisor_use import Use
from integration.conftest import Serve
from integration.hardening.workers import worker_pids
from testing.holding import holding
from testing.model import Model, inputs
from testing.script import returning, script
from testing.server import Server
from testing.waiting import wait_for

pytestmark = pytest.mark.ours("hardening.md R19")

MIB: Final = 1024 * 1024
NOTICE: Final = re.compile(r"\[\*\*\*\* (\d+) LINES, (\d+) BYTES DROPPED, SEE COG_MAX_LOG_BYTES \*\*\*\*\]")


def write_much(lines: int) -> None:
    """Four writers: this thread, another one, a child, and its child."""
    import subprocess
    import sys
    import threading

    def code(name: str) -> str:
        return f"import sys\nfor n in range({lines}): sys.stdout.write(f'{name} {{n:06}} {'x' * 489}\\n')"

    def print_in_thread() -> None:
        exec(code("thread"))

    thread = threading.Thread(target=print_in_thread)
    child = (
        f"import subprocess, sys\nother = subprocess.Popen([sys.executable, '-c', {code('grandchild')!r}])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", f"{child}{code('child')}\nother.wait()"])
    thread.start()
    exec(code("main"))
    thread.join()
    process.wait()


def test_of_200_megabytes_from_four_writers_every_line_is_kept_or_counted(serve: Serve) -> None:
    lines = 100_000
    with serve("script", variables={"COG_LOG_LEVEL": "error"}) as server:
        before = Use.of(server)
        body = server.predict(script(write_much, lines=lines)).json()
        logs = body["logs"]
        (notice,) = NOTICE.finditer(logs)
        print(f"{len(logs)} bytes were kept, {notice[2]} dropped; {before}, {Use.of(server)} at the end")
        kept = re.findall(r"^(main|thread|child|grandchild) (\d{6}) x{489}$", logs, re.MULTILINE)
        assert len(kept) + int(notice[1]) == 4 * lines
        for writer in ("main", "thread", "child", "grandchild"):
            numbers = [int(number) for name, number in kept if name == writer]
            assert numbers == sorted(numbers)
        assert serves(server)


def test_a_model_that_prints_without_end_is_bounded(serve: Serve) -> None:
    code = (
        "def predict():\n    n = 0\n    while True:\n        n += 1\n        print(f'{n:06} ' + 'x' * 10_000)"
    )
    with serve("script", variables={"COG_MAX_LOG_BYTES": str(4 * MIB), "COG_LOG_LEVEL": "error"}) as server:
        before = Use.of(server)
        answer = server.begin({"code": code}, id="flood")
        wait_for(lambda: dropped_bytes(server, "flood") > 100 * MIB, "hundred megabytes of logs")
        assert server.request("GET", "/livez").status == 200
        assert Use.of(server).resident_bytes - before.resident_bytes < 48 * MIB
        server.cancel("flood")
        logs = answer.result().json()["logs"]
        assert logs.startswith("000001 x")
        assert len(logs) < 5 * MIB
        assert serves(server)


def dropped_bytes(server: Server, prediction_id: str) -> int:
    state = server.peek(prediction_id)
    notice = NOTICE.search(state["logs"]) if state else None
    return int(notice[2]) if notice else 0


def test_what_was_printed_before_a_sigkill_is_kept(serve: Serve) -> None:
    with serve("script") as server:
        (worker,) = worker_pids(server)
        with holding(server, "doomed") as answer:
            os.kill(worker, signal.SIGKILL)
            body = answer.result().json()
        assert (body["status"], body["logs"]) == ("failed", "held\n")


ENDLESS: Final = Model(
    "from typing import Iterator\n"
    "from cog import current_scope\n"
    "class Runner:\n"
    "    def run(self, act: str) -> Iterator[str]:\n"
    "        while act == 'yield':\n"
    "            yield 'x' * 1000\n"
    "        while act == 'count':\n"
    "            current_scope().record_metric('all', 'x' * 1000, mode='append')\n"
    "        yield 'done'\n",
    inputs({"act": {"type": "string"}}, "act"),
    "predict.py:Runner",
)


@pytest.mark.parametrize("act", ["yield", "count"])
def test_a_model_that_yields_without_end_fails(serve: Serve, act: str) -> None:
    with serve(ENDLESS, variables={"COG_MAX_OUTPUT_BYTES": str(20 * MIB)}) as server:
        before = Use.of(server)
        body = server.predict({"act": act}).json()
        assert body["error"] == f"Output is larger than {20 * MIB} bytes (COG_MAX_OUTPUT_BYTES)"
        assert body["status"] == "failed"
        assert "output" not in body
        assert Use.of(server).resident_bytes - before.resident_bytes < 48 * MIB
        assert server.predict({"act": "end"}).json()["output"] == ["done"]


def serves(server: Server) -> bool:
    return bool(server.predict(returning("1")).json()["output"] == 1)
