"""runtime.md 7: where the output of a model goes."""

from collections.abc import Iterator
from typing import Any

import pytest
from integration.conftest import Serve
from testing.client import Answer
from testing.holding import hold_async, holding
from testing.script import returning, script
from testing.server import Server
from testing.waiting import wait_for

TRUNCATED = "[**** LOG LINE TRUNCATED AT 4 MiB ****]"
LIMIT = 4 * 1024 * 1024
CROSSING = "runtime.md 16.3: in the peer text crosses from one prediction to another"


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("script") as server:
        yield server


@pytest.fixture(scope="module")
def async_server(serve: Serve) -> Iterator[Server]:
    with serve("async_script", variables={"COG_MAX_CONCURRENCY": "32"}) as server:
        yield server


def logs(answer: Answer) -> str:
    body = answer.json()
    assert body["status"] == "succeeded", body
    return str(body["logs"])


def server_records(server: Server, message: str) -> list[dict[str, Any]]:
    """Return the records of the server's log with this message; there must be at least one."""
    return wait_for(
        lambda: [record for record in server.records if record["fields"].get("message") == message],
        f"record {message!r}",
    )


# routing


def test_both_streams_are_one_text_in_order(server: Server) -> None:
    def predict() -> None:
        import sys

        print("one")
        print("two", file=sys.stderr)
        sys.stdout.write("three\n")
        sys.stderr.write("four\n")

    assert logs(server.predict(script(predict))) == "one\ntwo\nthree\nfour\n"


def test_logging_and_warnings_go_to_the_prediction(server: Server) -> None:
    def predict() -> None:
        import logging
        import warnings

        logging.getLogger("model").warning("a log record")
        warnings.warn("a warning", stacklevel=1)

    text = logs(server.predict(script(predict)))
    assert "a log record\n" in text
    assert "UserWarning: a warning" in text


def test_each_line_is_repeated_in_the_server_log(server: Server) -> None:
    def predict() -> None:
        import sys

        print("  to the server log  ")
        print(" ")
        print("an error line", file=sys.stderr)

    server.predict(script(predict), id="echoed")
    (record,) = server_records(server, "to the server log")
    assert (record["target"], record["level"]) == ("coglet::prediction", "INFO")
    assert (record["fields"]["prediction_id"], record["fields"]["source"]) == ("echoed", "Stdout")
    (record,) = server_records(server, "an error line")
    assert record["fields"]["source"] == "Stderr"


def test_asyncio_tasks_and_to_thread_belong_to_their_prediction(async_server: Server) -> None:
    async def predict() -> None:
        import asyncio

        async def task() -> None:
            print("from a task")

        await asyncio.create_task(task())  # noqa: TID251 - a model may
        await asyncio.to_thread(print, "from a thread")

    assert logs(async_server.predict(script(predict))) == "from a task\nfrom a thread\n"


def test_threads_of_a_sync_model_belong_to_its_prediction(server: Server) -> None:
    def predict() -> None:
        import threading

        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start()
        thread.join()

    assert logs(server.predict(script(predict))) == "from a thread\n"


@pytest.mark.ours("decisions.md: threads started while a prediction runs inherit its context")
def test_threads_of_an_async_model_belong_to_the_prediction_that_started_them(async_server: Server) -> None:
    async def predict() -> None:
        import asyncio
        import threading

        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start()
        await asyncio.to_thread(thread.join)

    with holding(async_server, "bystander", hold_async) as bystander:
        assert logs(async_server.predict(script(predict))) == "from a thread\n"
    assert logs(bystander.result()) == "held\n"


@pytest.mark.ours("runtime.md 7.1: ours copies the context into executors where it can; the peer never")
def test_executor_threads_never_print_into_another_prediction(async_server: Server) -> None:
    async def predict() -> None:
        import asyncio

        await asyncio.get_running_loop().run_in_executor(None, print, "from an executor")

    with holding(async_server, "bystander", hold_async) as bystander:
        async_server.predict(script(predict))
    assert logs(bystander.result()) == "held\n"
    async_server.wait_log("from an executor")


@pytest.mark.ours("runtime.md 7.1 and 16.3: a thread of an ended prediction writes to the server log only")
def test_what_is_printed_after_the_end_goes_to_the_server_log_only(server: Server) -> None:
    def leave_a_thread() -> None:
        import pathlib
        import threading
        import time

        def late() -> None:
            while not pathlib.Path("print-late").exists():
                time.sleep(0.01)
            print("too late", flush=True)
            pathlib.Path("printed-late").touch()

        threading.Thread(target=late).start()

    def predict() -> None:
        import pathlib
        import time

        pathlib.Path("print-late").touch()
        while not pathlib.Path("printed-late").exists():
            time.sleep(0.01)

    assert logs(server.predict(script(leave_a_thread))) == ""
    assert logs(server.predict(script(predict))) == ""
    (record,) = server_records(server, "too late")
    assert "prediction_id" not in record["fields"]


@pytest.mark.ours("decisions.md: output of child processes goes to the one running prediction")
def test_lines_of_child_processes_go_to_the_only_running_prediction(server: Server) -> None:
    def predict() -> None:
        import os
        import subprocess
        import sys

        subprocess.run(["echo", "from a child"], check=True)
        subprocess.run([sys.executable, "-c", "import os; os.system('echo from its child')"], check=True)
        os.write(1, b"to the descriptor\n")
        os.write(2, b"to the other one\n")

    lines = logs(server.predict(script(predict))).splitlines()
    assert sorted(lines) == ["from a child", "from its child", "to the descriptor", "to the other one"]


@pytest.mark.ours("decisions.md: output of child processes goes to the server log when several run")
def test_lines_of_child_processes_go_to_the_server_log_when_several_run(async_server: Server) -> None:
    async def predict() -> None:
        import asyncio

        process = await asyncio.create_subprocess_exec("echo", "from whom?")
        await process.wait()

    with holding(async_server, "bystander", hold_async) as bystander:
        assert logs(async_server.predict(script(predict))) == ""
    assert logs(bystander.result()) == "held\n"
    (record,) = server_records(async_server, "from whom?")
    assert record["target"] == "coglet::user"


def test_descriptors_are_captured_at_least_in_the_server_log(server: Server) -> None:
    def predict() -> None:
        import os
        import subprocess

        subprocess.run(["echo", "echoed by a child"], check=True)
        os.write(1, b"straight to one\n")

    server.predict(script(predict))
    assert server_records(server, "echoed by a child")
    assert server_records(server, "straight to one")


# lines


@pytest.mark.ours(CROSSING)
def test_half_a_line_never_reaches_the_next_prediction(server: Server) -> None:
    assert logs(server.predict(returning("print('SECRET', end='')"))) == "SECRET"
    assert logs(server.predict(returning("print('plain')"))) == "plain\n"


def test_a_flush_emits_half_a_line(server: Server) -> None:
    def predict() -> None:
        import pathlib
        import time

        print("\r1/3", end="", flush=True)
        while not pathlib.Path("seen").exists():
            time.sleep(0.01)
        print("\r2/3", end="", flush=True)
        print("\r3/3")

    answer = server.begin(script(predict), id="progress")
    server.wait_logged("progress", "\r1/3")
    (server.folder / "seen").touch()
    assert logs(answer.result()) == "\r1/3\r2/3\r3/3\n"


@pytest.mark.ours(CROSSING)
def test_half_lines_of_concurrent_predictions_stay_apart(async_server: Server) -> None:
    async def predict(name: str) -> None:
        import asyncio

        for number in range(50):
            print(f"[{name}:{number}", end="")
            await asyncio.sleep(0)
            print("]")

    answers = {name: async_server.begin(script(predict, name=name), id=name) for name in ("a", "b", "c", "d")}
    for name, answer in answers.items():
        assert logs(answer.result()) == "".join(f"[{name}:{number}]\n" for number in range(50))


@pytest.mark.ours(CROSSING)
def test_each_of_32_concurrent_predictions_has_its_own_lines_and_no_others(async_server: Server) -> None:
    async def predict(name: str) -> None:
        import asyncio
        import sys

        for number in range(100):
            print(name, number, file=(sys.stdout, sys.stderr)[number % 2])
            await asyncio.sleep(0.001 if number % 10 == 0 else 0)

    answers = {
        name: async_server.begin(script(predict, name=name), id=name)
        for name in (f"prediction-{number}" for number in range(32))
    }
    for name, answer in answers.items():
        assert logs(answer.result()) == "".join(f"{name} {number}\n" for number in range(100))


def test_a_hundred_thousand_lines_are_kept_in_order(server: Server) -> None:
    def predict() -> None:
        for number in range(100_000):
            print(number)

    assert logs(server.predict(script(predict))) == "".join(f"{number}\n" for number in range(100_000))


def test_a_piece_over_four_mebibytes_is_cut(server: Server) -> None:
    def predict(size: int) -> None:
        print("é" * (size // 2 - 1), end="", flush=True)
        print("after")
        print("é" * (size // 2 + 10), end="\n", flush=True)

    text = logs(server.predict(script(predict, size=LIMIT)))
    first, _, rest = text.partition("after\n")
    assert len(first.encode()) == LIMIT - 2
    assert len(rest.encode()) in range(LIMIT - 3, LIMIT + 1)
    assert rest.endswith(TRUNCATED)


def test_text_outside_unicode_does_no_harm(server: Server) -> None:
    def predict() -> None:
        import os

        print("zero \0 byte, escape \x1b[31m")
        os.write(1, b"no utf-8: \xff\xfe\n")
        print("after")

    text = logs(server.predict(script(predict)))
    assert "zero \0 byte, escape \x1b[31m\n" in text
    assert "after\n" in text


# the streams


def test_the_stream_object(server: Server) -> None:
    def predict() -> dict[str, Any]:
        import sys

        out = sys.stdout
        return {
            "written": out.write("hello\n"),
            "flags": [out.readable(), out.writable(), out.seekable(), out.isatty(), out.closed],
            "fileno": [out.fileno(), sys.stderr.fileno()],
            "encoding": out.encoding,
            "buffer": hasattr(out, "buffer"),
        }

    assert server.predict(script(predict)).json()["output"] == {
        "written": 6,
        "flags": [False, True, False, False, False],
        "fileno": [1, 2],
        "encoding": "utf-8",
        "buffer": True,
    }


def test_bytes_are_not_text(server: Server) -> None:
    def predict() -> None:
        import sys

        sys.stdout.write(b"bytes")  # type: ignore[arg-type]

    assert "TypeError" in server.predict(script(predict)).json()["error"]


@pytest.mark.ours("runtime.md 7.3: missing in the peer, and needed")
def test_the_stream_has_what_the_peers_lacks(server: Server) -> None:
    def predict() -> list[object]:
        import sys

        out: Any = sys.stdout
        out.writelines(["a\n", "b\n"])
        out.reconfigure(line_buffering=True)
        return [out.errors is not None, out.name, out.mode, out.line_buffering]

    body = server.predict(script(predict)).json()
    assert (body["status"], body["logs"]) == ("succeeded", "a\nb\n")


def test_redirecting_works_as_in_plain_python(server: Server) -> None:
    def predict() -> str:
        import contextlib
        import io

        into = io.StringIO()
        with contextlib.redirect_stdout(into):
            print("redirected")
        print("not redirected")
        return into.getvalue()

    body = server.predict(script(predict)).json()
    assert body["output"] == "redirected\n"
    assert "not redirected\n" in body["logs"]


@pytest.mark.ours("decisions.md: when the model replaces sys.stdout both receive the text")
def test_a_replaced_stream_and_the_prediction_both_receive_the_text(server: Server) -> None:
    def predict() -> str:
        import io
        import sys

        before, sys.stdout = sys.stdout, io.StringIO()
        try:
            print("to both")
            return sys.stdout.getvalue()
        finally:
            sys.stdout = before

    body = server.predict(script(predict)).json()
    assert (body["output"], body["logs"]) == ("to both\n", "to both\n")
    assert logs(server.predict(returning("print('as before')"))) == "as before\n"
