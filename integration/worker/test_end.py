"""How a worker ends: in order, or at once if its supervisor has exited (runtime.md 13)."""

import os
import signal

import psutil
import pytest
from integration.worker.conftest import StartWorker
from testing.processes import is_alive
from testing.waiting import wait_for
from testing.worker import EXIT_OK, Worker

from coglet_protocol import control, slot

PREFIXES = pytest.mark.parametrize("prefix", ["", "async "], ids=["sync", "async"])
WAITS = """
    import asyncio

    class Runner:
        {prefix}def run(self, fifo="fifo"):
            print("up")
            {wait}
            print("done")
"""


def waiting(prefix: str) -> str:
    """Return a model that prints `up`, reads from `fifo`, prints `done`."""
    wait = "await asyncio.to_thread(lambda: open(fifo).read())" if prefix else "open(fifo).read()"
    return WAITS.format(prefix=prefix, wait=wait)


@PREFIXES
def test_an_idle_worker_shuts_down_in_order(start_worker: StartWorker, prefix: str) -> None:
    worker = start_worker(waiting(prefix))
    assert worker.shut_down() == EXIT_OK
    assert isinstance(worker.said.messages[-1], control.ShuttingDown)


@PREFIXES
def test_what_runs_is_finished_first(start_worker: StartWorker, prefix: str) -> None:
    worker = start_worker(waiting(prefix))
    worker.new_fifo()
    prediction = worker.predict()
    prediction.wait_log("up\n")
    worker.say(control.Shutdown())
    worker.check_health()
    (worker.folder / "fifo").write_text("")
    assert isinstance(prediction.result().terminal, slot.Done)
    assert prediction.result().logs == "up\ndone\n"
    assert worker.wait_exit() == EXIT_OK
    assert isinstance(worker.said.messages[-1], control.ShuttingDown)


@PREFIXES
def test_what_runs_may_still_be_canceled(start_worker: StartWorker, prefix: str) -> None:
    worker = start_worker(waiting(prefix))
    worker.new_fifo()
    prediction = worker.predict()
    prediction.wait_log("up\n")
    worker.say(control.Shutdown())
    worker.say_cancel(prediction.message)
    assert prediction.result().is_canceled
    assert worker.wait_exit() == EXIT_OK


def test_all_that_runs_is_finished(start_worker: StartWorker) -> None:
    worker = start_worker(waiting("async "), slots=3)
    fifos = [worker.folder / f"fifo {index}" for index in range(3)]
    for fifo in fifos:
        os.mkfifo(fifo)
    predictions = [worker.predict(on=index, fifo=str(fifo)) for index, fifo in enumerate(fifos)]
    for prediction in predictions:
        prediction.wait_log("up\n")
    worker.say(control.Shutdown())
    worker.check_health()
    for fifo in fifos:
        fifo.write_text("")
    assert [prediction.result().logs for prediction in predictions] == ["up\ndone\n"] * 3
    assert worker.wait_exit() == EXIT_OK


def test_a_shutdown_during_setup_comes_after_it(spawn_worker: StartWorker) -> None:
    worker = spawn_worker("""
        class Runner:
            def setup(self): print("setup", flush=True); open("fifo").read()
            def run(self): pass
    """)
    worker.new_fifo()
    worker.wait_server_log("setup\n")
    worker.say(control.Shutdown())
    worker.check_health()
    (worker.folder / "fifo").write_text("")
    assert worker.wait_exit() == EXIT_OK
    assert isinstance(worker.said.messages[-1], control.ShuttingDown)


def test_the_final_output_of_the_model_comes_before_the_final_messages_of_the_worker(
    start_worker: StartWorker,
) -> None:
    """`atexit` is the only exit hook that a model has."""
    worker = start_worker("""
        import atexit, os

        class Runner:
            def setup(self):
                atexit.register(os.system, "echo child")
                atexit.register(print, "unfinished", end="")
                atexit.register(print, "goodbye")
            def run(self): print("run", end="")
    """)
    assert worker.predict().result().logs == "run"
    assert worker.shut_down() == EXIT_OK
    *_, last = worker.said.messages
    assert isinstance(last, control.ShuttingDown)
    assert sorted(worker.server_log.replace("unfinished", "unfinished\n").splitlines()) == [
        "child",
        "goodbye",
        "unfinished",
    ]


def test_an_exit_hook_that_raises_does_not_change_the_end(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import atexit, sys

        class Runner:
            def setup(self):
                atexit.register(sys.exit, 5)
                atexit.register(lambda: 1 / 0)
            def run(self): pass
    """)
    assert worker.shut_down() == EXIT_OK
    assert "ZeroDivisionError" in worker.server_log


def test_threads_that_never_end_do_not_keep_the_process(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import threading

        class Runner:
            def setup(self): threading.Thread(target=threading.Event().wait).start()
            def run(self): pass
    """)
    assert worker.shut_down() == EXIT_OK


# the supervisor has exited

STARTS_CHILDREN = """
    import asyncio, os, subprocess, time

    def start_children():
        subprocess.Popen(["sleep", "600"])
        subprocess.Popen(["sleep", "600"], start_new_session=True)
        if not os.fork():
            while True: time.sleep(600)
        print("up", flush=True)

    class Runner:
        {prefix}def {method}(self):
            start_children()
            {wait}
"""
HANGS = {
    "sync": ("", "while True: pass"),
    "async": ("async ", "await asyncio.sleep(600)"),
    "async that blocks": ("async ", "time.sleep(600)"),
}


def assert_nothing_is_left(worker: Worker) -> None:
    family = [psutil.Process(worker.process.pid), *psutil.Process(worker.process.pid).children()]
    assert len(family) == 4
    worker.vanish()
    worker.wait_exit()
    wait_for(lambda: not any(is_alive(each) for each in family), "end of all")


@pytest.mark.parametrize(("prefix", "wait"), HANGS.values(), ids=HANGS)
def test_a_worker_without_supervisor_ends_in_mid_prediction_with_its_children(
    start_worker: StartWorker, prefix: str, wait: str
) -> None:
    worker = start_worker(STARTS_CHILDREN.format(prefix=prefix, method="run", wait=wait))
    worker.predict().wait_log("up\n")
    assert_nothing_is_left(worker)


@pytest.mark.parametrize(("prefix", "wait"), HANGS.values(), ids=HANGS)
def test_a_worker_without_supervisor_ends_in_mid_setup_with_its_children(
    spawn_worker: StartWorker, prefix: str, wait: str
) -> None:
    source = STARTS_CHILDREN.format(prefix=prefix, method="setup", wait=wait)
    worker = spawn_worker(f"{source}        def run(self): pass\n")
    worker.wait_server_log("up\n")
    assert_nothing_is_left(worker)


def test_a_worker_without_supervisor_ends_when_it_is_idle(start_worker: StartWorker) -> None:
    worker = start_worker(waiting(""))
    worker.vanish()
    assert worker.wait_exit() != EXIT_OK


def test_a_worker_ends_that_never_had_a_supervisor(spawn_worker: StartWorker) -> None:
    worker = spawn_worker("", first_words=b" ")
    worker.vanish()
    assert worker.wait_exit() != EXIT_OK


@PREFIXES
def test_sigterm_ends_it_at_once(start_worker: StartWorker, prefix: str) -> None:
    """Whether running predictions are finished is up to the supervisor, which asks for that with Shutdown."""
    worker = start_worker(waiting(prefix))
    worker.new_fifo()
    worker.predict().wait_log("up\n")
    worker.process.terminate()
    assert worker.wait_exit() == -signal.SIGTERM
