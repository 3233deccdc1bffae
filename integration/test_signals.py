"""runtime.md 13 and 15.1: how a server is started and how it ends."""

import signal
from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest
from integration.conftest import Serve
from testing import processes
from testing.client import exchange
from testing.holding import hold, holding
from testing.model import Model
from testing.script import returning, script
from testing.server import AS_COG, Server
from testing.waiting import wait_for

SLOW_SETUP = Model(
    "import time\nclass Predictor:\n    def setup(self): time.sleep(3600)\n    def run(self): ...\n"
)
ENTRIES = [
    pytest.param(AS_COG, id="cog.server.http"),
    pytest.param(
        ("-m", "coglet_supervisor"),
        id="coglet_supervisor",
        marks=pytest.mark.ours("ours: our own entry point"),
    ),
]


def is_refused(server: Server) -> bool:
    try:
        with server.address.socket():
            return False
    except ConnectionRefusedError:
        return True


def by_signal(number: int) -> Callable[[Server], object]:
    return lambda server: server.signal(number)


STOPS = [
    pytest.param(by_signal(signal.SIGTERM), id="SIGTERM"),
    pytest.param(lambda server: server.request("POST", "/shutdown"), id="/shutdown"),
]


@pytest.mark.parametrize("stop", STOPS)
def test_an_idle_server_ends_with_0(serve: Serve, stop: Callable[[Server], object]) -> None:
    with serve("script") as server:
        stop(server)
        assert server.wait_exit() == 0
        assert is_refused(server)


def test_sigint_ends_the_server(serve: Serve) -> None:
    with serve("script") as server:
        server.signal(signal.SIGINT)
        code = server.wait_exit()
        assert code in {0, 130, -signal.SIGINT}
        if server.installation.is_ours:  # 16.21: the peer ends in a traceback
            assert "Traceback" not in server.log


@pytest.mark.parametrize("stop", STOPS)
def test_a_running_prediction_is_answered_before_the_end(
    serve: Serve, stop: Callable[[Server], object]
) -> None:
    # Long enough for a busy machine: the prediction is let go as soon as the server refuses another one.
    grace = {"COG_SHUTDOWN_GRACE": "20"}
    with serve("script", variables=grace) as server, server.address.connect() as idle:
        exchange(idle, "GET", "/health-check")
        with holding(server, "promised") as answer:
            stop(server)
            wait_for(lambda: is_refused(server) or no_new_work(server), "refusal of new work")
            assert not answer.done()
        assert answer.result().json()["output"] == "let go"
        assert server.wait_exit() == 0


def no_new_work(server: Server) -> bool:
    with suppress(ConnectionError):
        return server.predict(returning("1")).status == 503
    return True


@pytest.mark.ours(
    "runtime.md 13: an async prediction is finished, or reported as canceled; the peer loses it"
)
def test_an_asynchronous_prediction_is_finished_too(serve: Serve) -> None:
    def predict() -> None:
        import pathlib
        import time

        print("held", flush=True)
        while not pathlib.Path("go").exists():
            time.sleep(0.01)
        pathlib.Path("finished").touch()

    with serve("script", variables={"COG_SHUTDOWN_GRACE": "20"}) as server:
        server.start(script(predict), id="promised")
        server.wait_logged("promised", "held")
        server.signal(signal.SIGTERM)
        wait_for(lambda: is_refused(server) or no_new_work(server), "refusal of new work")
        (server.folder / "go").touch()
        assert server.wait_exit() == 0
        assert (server.folder / "finished").exists()


@pytest.mark.ours("runtime.md 13: a grace limit; the peer waits without limit")
def test_after_the_grace_time_what_runs_is_canceled(serve: Serve) -> None:
    with serve("script", variables={"COG_SHUTDOWN_GRACE": "0.5"}) as server:
        with holding(server, "too-long") as answer:
            server.signal(signal.SIGTERM)
            assert answer.result().json()["status"] == "canceled"
        assert server.wait_exit() == 0


@pytest.mark.ours("runtime.md 13: a second signal forces the end; the peer ignores it")
def test_a_second_signal_does_not_wait(serve: Serve) -> None:
    with serve("script", variables={"COG_SHUTDOWN_GRACE": "600"}) as server, holding(server, "in-the-way"):
        server.signal(signal.SIGTERM)
        server.wait_log("Received SIGTERM")
        server.signal(signal.SIGTERM)
        server.wait_exit()


@pytest.mark.ours("runtime.md 13: a half-sent request blocks the end of the peer")
def test_a_half_sent_request_does_not_block_the_end(serve: Serve) -> None:
    with serve("script") as server, server.address.socket() as sock:
        sock.sendall(b"POST /predictions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        server.health()
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0


@pytest.mark.ours("hardening.md R8: the end comes whatever the worker does")
@pytest.mark.parametrize("number", [signal.SIGSTOP, None])
def test_a_worker_that_does_not_react_is_killed(serve: Serve, number: int | None) -> None:
    def predict(number: int | None) -> None:
        import os
        import signal

        print("held", flush=True)
        if number:
            os.kill(os.getpid(), number)
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))
        while True:
            pass

    with serve("script", variables={"COG_SHUTDOWN_GRACE": "0.5"}) as server:
        server.begin(script(predict, number=number), id="stuck")
        server.wait_logged("stuck", "held")
        server.signal(signal.SIGTERM)
        server.wait_exit()


def test_sigterm_during_setup_ends_at_once(serve: Serve) -> None:
    grace = {"COG_SHUTDOWN_GRACE": "600"}  # there is nothing to wait for
    with serve(SLOW_SETUP, variables=grace, until="STARTING") as server:
        server.signal(signal.SIGTERM)
        server.wait_exit()
        wait_for(lambda: not processes.marked(server.mark), "end of the worker")


@pytest.mark.ours("runtime.md 13: nothing outlives a killed supervisor; in the peer what runs goes on")
@pytest.mark.parametrize("moment", ["idle", "setup", "running", "blocked"])
def test_nothing_outlives_a_killed_supervisor(serve: Serve, moment: str) -> None:
    model, until = (SLOW_SETUP, "STARTING") if moment == "setup" else (Model.named("script"), "READY")
    with serve(model, until=until) as server:
        if moment == "running":
            server.begin(script(hold, until="never"), id="orphan")
            server.wait_logged("orphan", "held")
        elif moment == "blocked":
            code = (
                "def predict():\n    import os\n    print('held', flush=True)\n    os.system('sleep 3600')\n"
            )
            server.begin({"code": code}, id="orphan")
            server.wait_logged("orphan", "held")
        server.signal(signal.SIGKILL)
        server.wait_exit()
        wait_for(lambda: not processes.marked(server.mark), "end of all processes")


# --await-explicit-shutdown


@pytest.mark.parametrize("value", ["true", "1"])
def test_await_explicit_shutdown_ignores_sigterm(serve: Serve, value: str) -> None:
    with serve("script", flags=["--await-explicit-shutdown", value]) as server:
        server.signal(signal.SIGTERM)
        assert server.predict(returning("1")).json()["output"] == 1
        assert server.request("POST", "/shutdown").status == 200
        assert server.wait_exit() == 0


@pytest.mark.ours("runtime.md 15.1: a bare flag is accepted; in the peer it is a usage error")
def test_await_explicit_shutdown_needs_no_value(serve: Serve) -> None:
    with serve("script", flags=["--await-explicit-shutdown"]) as server:
        server.signal(signal.SIGTERM)
        assert server.predict(returning("1")).json()["output"] == 1
        server.signal(signal.SIGINT)
        server.wait_exit()


@pytest.mark.ours("runtime.md 16.21: False means false; in the peer it means true")
def test_await_explicit_shutdown_can_be_false(serve: Serve) -> None:
    with serve("script", flags=["--await-explicit-shutdown", "False"]) as server:
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0


@pytest.mark.ours("runtime.md 16.21: the peer's user children inherit an ignored SIGTERM")
def test_children_of_the_model_do_not_ignore_sigterm(serve: Serve) -> None:
    def predict() -> int:
        import subprocess

        child = subprocess.Popen(["sleep", "3600"])
        child.terminate()
        return child.wait()

    with serve("script", flags=["--await-explicit-shutdown", "true"]) as server:
        assert server.predict(script(predict)).json()["output"] == -signal.SIGTERM
        server.request("POST", "/shutdown")
        server.wait_exit()


# the command line


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_version_is_printed(serve: Serve, entry: Sequence[str]) -> None:
    for flag in ("-v", "--version"):
        with serve("script", entry=entry, host=None, flags=[flag], until=None) as server:
            assert server.wait_exit() == 0
            assert "coglet" in server.log


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_unknown_flag_is_a_usage_error(serve: Serve, entry: Sequence[str]) -> None:
    with serve("script", entry=entry, flags=["--no-such-flag"], until=None) as server:
        assert server.wait_exit() == 2


@pytest.mark.ours("runtime.md 15.1: in the peer any text is true")
@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize(
    ("flag", "reason"),
    [
        ("--await-explicit-shutdown=maybe", "'maybe' is neither true nor false"),
        ("--port=70000", "'70000' is not a number from 0 to 65535"),
    ],
)
def test_a_flag_with_a_wrong_value_is_a_usage_error(
    serve: Serve, entry: Sequence[str], flag: str, reason: str
) -> None:
    with serve("script", entry=entry, flags=[flag], until=None) as server:
        assert server.wait_exit() == 2
        assert server.log.endswith(f"error: argument {flag.partition('=')[0]}: {reason}\n")


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize(
    ("flags", "variable"), [([], "COG_PREDICT_TYPE_STUB"), (["--x-mode", "train"], "COG_TRAIN_TYPE_STUB")]
)
def test_without_a_model_it_says_which_variable_is_missing(
    serve: Serve, entry: Sequence[str], flags: list[str], variable: str
) -> None:
    with serve(
        "script", entry=entry, flags=flags, variables={"COG_PREDICT_TYPE_STUB": ""}, until=None
    ) as server:
        assert server.wait_exit() == 1
        assert f"ERROR: {variable} environment variable is not set." in server.log


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_port_that_is_not_a_number_ends_the_server(serve: Serve, entry: Sequence[str]) -> None:
    with serve("script", entry=entry, variables={"PORT": "none"}, until=None) as server:
        assert server.wait_exit() == 1
        assert "'none'" in server.log


@pytest.mark.parametrize("entry", ENTRIES)
def test_both_entries_serve_alike(serve: Serve, entry: Sequence[str]) -> None:
    flags = ["--threads", "4", "--x-mode", "predict"]
    with serve("script", entry=entry, flags=flags) as server:
        assert server.predict(returning("1")).json()["output"] == 1
