"""runtime.md 16.5, 16.6, 16.13, 16.18, 16.20 and 16.22: isolation of models, clients and servers."""

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from integration.conftest import Serve
from testing.client import exchange
from testing.script import returning, script
from testing.server import Server
from testing.waiting import wait_for


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("script") as server:
        yield server


@pytest.fixture(autouse=True)
def server_goes_on(server: Server) -> Iterator[None]:
    """After each test the server still serves a prediction."""
    yield
    if server.installation.is_ours:
        server.wait_status("READY")
        assert server.predict(returning("'next'")).json()["output"] == "next"


# requests


@pytest.mark.ours("runtime.md 16.5: a large context takes a slot of the peer away; ours bounds its size")
@pytest.mark.parametrize(("input_mib", "context_mib"), [(0, 9), (5, 4), (20, 20)])
def test_a_large_context_is_refused(server: Server, input_mib: int, context_mib: int) -> None:
    def predict(text: str) -> list[int]:
        from cog import current_scope

        return [len(text), len(current_scope().context["text"])]

    context = {"text": "c" * (context_mib << 20)}
    answer = server.predict(script(predict, text="i" * (input_mib << 20)), context=context)
    assert (answer.status, "context" in answer.text) == (422, True)
    # The largest allowed context arrives, together with an input of any size.
    context = {"text": "c" * 1_000_000}
    answer = server.predict(script(predict, text="i" * (input_mib << 20)), context=context)
    assert answer.json()["output"] == [input_mib << 20, 1_000_000]


@pytest.mark.ours("runtime.md 16.18: in the peer an oversized metric makes all that follows vanish")
def test_an_oversized_metric_is_refused_where_it_is_recorded(server: Server) -> None:
    def predict() -> Iterator[str]:
        from cog import current_scope

        yield "a"
        try:
            current_scope().record_metric("large", "m" * 9_000_000)
        except ValueError as error:
            print(error)
        yield "b"

    body = server.predict(script(predict)).json()
    assert body["output"] == ["a", "b"]
    assert "metric 'large' is 9000002 bytes" in body["logs"]


@pytest.mark.ours("runtime.md 16.18: a line that grows in JSON stops the peer's logs")
def test_a_line_that_grows_in_json_loses_nothing_else(server: Server) -> None:
    body = server.predict(returning("print('\\0' * 3_000_000) or print('after')")).json()
    assert body["status"] == "succeeded"
    assert body["logs"].endswith("after\n")
    assert len(body["logs"]) > 3_000_000


# descriptors


@pytest.mark.ours("runtime.md 16.6: stdin of user code is /dev/null; in the peer it is the control channel")
def test_reading_stdin_gives_the_end_at_once(server: Server) -> None:
    def predict() -> list[Any]:
        import os
        import subprocess
        import sys

        child = subprocess.run(["cat"], check=True, capture_output=True, text=True)
        return [sys.stdin.read(), os.read(0, 10).decode(), child.stdout]

    assert server.predict(script(predict)).json()["output"] == ["", "", ""]


@pytest.mark.ours("runtime.md 16.5: no fixed descriptors; writing to 100 breaks the peer's control channel")
def test_writing_to_high_descriptors_harms_nothing(server: Server) -> None:
    def predict() -> str:
        import contextlib
        import os

        for descriptor in (99, 100, 101):
            with contextlib.suppress(OSError):
                os.write(descriptor, b"garbage\n")
        return "written"

    assert server.predict(script(predict)).json()["output"] == "written"


@pytest.mark.ours("runtime.md 4.3: close-on-exec, so that children cannot hold or disturb the channels")
def test_child_processes_inherit_only_the_standard_streams(server: Server) -> None:
    def predict() -> list[str]:
        import subprocess

        listing = subprocess.run(
            ["ls", "-l", "/proc/self/fd"], check=True, capture_output=True, text=True, close_fds=False
        )
        return [line.split(" -> ")[1] for line in listing.stdout.splitlines() if " -> " in line]

    targets = server.predict(script(predict)).json()["output"]
    assert not [target for target in targets if target.startswith("socket:")]
    assert len(targets) <= 4  # the three standard streams, and the folder that is listed


@pytest.mark.ours("runtime.md 16.5: the daemon idiom crashes the peer's worker")
def test_closing_all_descriptors_costs_that_prediction_at_most(server: Server) -> None:
    def predict() -> None:
        import os

        os.closerange(3, 200)

    body = server.predict(script(predict)).json()
    assert body["status"] in {"failed", "succeeded"}


# threads


@pytest.mark.ours(
    "decisions.md: sync setup and run on the main thread; the peer runs on pool threads (16.13)"
)
def test_sync_models_run_on_the_main_thread(server: Server) -> None:
    def predict() -> bool:
        import signal
        import threading

        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        return threading.current_thread() is threading.main_thread()

    assert [server.predict(script(predict)).json()["output"] for _ in range(10)] == [True] * 10


@pytest.mark.ours("runtime.md 16.13: what belongs to a thread is lost between the peer's predictions")
def test_an_sqlite_connection_lives_from_prediction_to_prediction(server: Server) -> None:
    def predict() -> int:
        import sqlite3

        memory = globals()["memory"]
        if "database" not in memory:
            memory["database"] = sqlite3.connect(":memory:")
            memory["database"].execute("create table runs (run)")
        memory["database"].execute("insert into runs values (1)")
        count: int = memory["database"].execute("select count(*) from runs").fetchone()[0]
        return count

    assert [server.predict(script(predict)).json()["output"] for _ in range(3)] == [1, 2, 3]


# what the model sees of its environment


def test_the_folder_and_the_arguments_of_the_model(server: Server) -> None:
    def predict() -> list[Any]:
        import os
        import sys

        return [os.path.realpath(os.getcwd()), "predict" in sys.modules]

    assert server.predict(script(predict)).json()["output"] == [os.path.realpath(server.folder), True]


@pytest.mark.ours("hardening.md S15: what only the supervisor may know")
def test_the_webhook_token_is_not_in_the_models_environment(serve: Serve) -> None:
    with serve("script", variables={"WEBHOOK_AUTH_TOKEN": "hush"}) as server:
        assert server.predict(returning("'hush' in str(dict(os.environ))", "os")).json()["output"] is False


def test_coglet_says_that_it_is_active_in_a_worker(server: Server) -> None:
    assert server.predict(returning("coglet.server.active", "coglet")).json()["output"] is True


@pytest.mark.ours("runtime.md 16.24: the import replaces the peer's module by an empty one")
def test_importing_the_private_module_does_no_harm(server: Server) -> None:
    expression = "hasattr(coglet._sdk, 'current_scope') and cog.current_scope() is not None"
    assert server.predict(returning(expression, "coglet._sdk", "cog")).json()["output"] is True


# side by side


def test_two_servers_side_by_side(serve: Serve, server: Server) -> None:
    with serve("script") as other:
        assert other.predict(returning("os.getcwd()", "os")).json()["output"] == os.path.realpath(
            other.folder
        )
        assert server.predict(returning("1")).json()["output"] == 1


def may_unshare() -> bool:
    try:
        found = subprocess.run(["unshare", "--pid", "--fork", "true"], check=False, capture_output=True)
    except FileNotFoundError:
        return False
    return found.returncode == 0


@pytest.mark.skipif(not may_unshare(), reason="needs the right to make a namespace of process ids")
@pytest.mark.ours("runtime.md 16.22: the peer's sockets are named by the pid alone")
def test_two_servers_with_one_pid(serve: Serve) -> None:
    in_namespace = (
        "import subprocess, sys; subprocess.run(['unshare', '--pid', '--fork', '--kill-child', "
        "sys.executable, '-m', 'cog.server.http', *sys.argv[1:]])"
    )
    entry = ("-c", in_namespace)
    with serve("script", entry=entry) as one, serve("script", entry=entry) as two:
        for server in (one, two):
            assert server.predict(returning("1")).json()["output"] == 1
            server.request("POST", "/shutdown")
            server.wait_exit()


# leaks


@pytest.mark.ours("runtime.md 16.20: in the peer two folders stay for each prediction")
def test_a_thousand_predictions_leave_no_file_and_no_descriptor(server: Server) -> None:
    def descriptors() -> int:
        return len(os.listdir(f"/proc/{server.process.pid}/fd"))

    server.predict(returning("1"))
    files, before = sorted(server.temporary.rglob("*")), descriptors()
    with server.address.connect() as connection:
        for number in range(1000):
            exchange(connection, "POST", "/predictions", {"id": f"n{number}", "input": returning("1")})
    wait_for(lambda: descriptors() <= before, "descriptors as before")
    assert sorted(server.temporary.rglob("*")) == files
