"""hardening.md C4: whatever the model keeps running, an idle worker ends soon, and logs what blocked it.

What blocks it would do so for ten minutes; the worker ends within the deadline of all waits.
"""

import contextlib
import subprocess
from collections.abc import Iterator
from typing import Final

import pytest
from integration.worker.conftest import StartWorker
from testing.worker import EXIT_OK, EXIT_SETUP_FAILED

from coglet_protocol import control

PYTHON_ENDS_IT: Final = {
    "process pool": "self.kept = ProcessPoolExecutor(2); list(self.kept.map(abs, [-1, -2]))",
    "thread pool": "self.kept = ThreadPoolExecutor(2); list(self.kept.map(abs, [-1, -2]))",
    "daemonic workers": """
                self.tasks = multiprocessing.Queue()
                self.kept = [
                    multiprocessing.Process(target=read_all, args=(self.tasks,), daemon=True)
                    for _ in range(2)
                ]
                for each in self.kept: each.start()
                self.tasks.put("task")
    """,
    "hook of the threading module": "threading._register_atexit(print, 'hook')",
}
HELD: Final = {
    "atexit hook": ("atexit.register(never_ends)", "never_ends"),
    "hook of the threading module": ("threading._register_atexit(never_ends)", "never_ends"),
    "thread": ("threading.Thread(target=never_ends, name='pump').start()", "thread 'pump'"),
    "busy thread": ("threading.Thread(target=spin, name='pump').start()", "thread 'pump'"),
    "busy thread pool": ("self.kept = ThreadPoolExecutor(1); self.kept.submit(never_ends)", "_python_exit"),
    "process": ("multiprocessing.Process(target=never_ends).start()", "process"),
    "busy process pool": ("self.kept = ProcessPoolExecutor(1); self.kept.submit(never_ends)", "_python_exit"),
    "queue without a reader": ("q = multiprocessing.Queue(); q.put(b'x' * 1_000_000)", "_finalize_join"),
    "__del__": ("atexit.register([NeverEnds()].clear)", "__del__"),
}
MODEL: Final = """
    import atexit, multiprocessing, os, signal, threading, time
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

    def never_ends(*_):
        print("held", flush=True)
        time.sleep(600)

    def spin():
        while True: pass

    def read_all(queue):
        while True: queue.get()

    class NeverEnds:
        def __del__(self):
            never_ends()

    class Runner:
        def setup(self):
            {setup}
        def run(self):
            return "result"
"""


@pytest.fixture
def others() -> Iterator[None]:
    """Start 600 processes that do not belong to the worker."""
    with contextlib.ExitStack() as stack:
        for _ in range(600):
            process = stack.enter_context(subprocess.Popen(["/bin/sleep", "600"]))
            stack.callback(process.kill)
        yield


@pytest.mark.parametrize("setup", PYTHON_ENDS_IT.values(), ids=PYTHON_ENDS_IT)
def test_what_python_ends_by_itself_is_not_mentioned(start_worker: StartWorker, setup: str) -> None:
    worker = start_worker(MODEL.format(setup=setup))
    code = worker.shut_down()
    assert (code, worker.records) == (EXIT_OK, [])


@pytest.mark.parametrize(("setup", "holder"), HELD.values(), ids=HELD)
def test_what_does_not_end_is_named(start_worker: StartWorker, setup: str, holder: str) -> None:
    worker = start_worker(MODEL.format(setup=setup))
    code = worker.shut_down()
    (record,) = worker.records
    assert (code, holder in record) == (EXIT_OK, True), record
    assert isinstance(worker.said.messages[-1], control.ShuttingDown)


def test_a_busy_thread_on_a_busy_machine(start_worker: StartWorker, others: None) -> None:
    """It gets the interpreter after each file of /proc that is read to name the model's processes."""
    setup, holder = HELD["busy thread"]
    worker = start_worker(MODEL.format(setup=setup))
    code = worker.shut_down()
    (record,) = worker.records
    assert (code, holder in record) == (EXIT_OK, True), record


def test_a_signal_handler_that_sleeps_is_named(start_worker: StartWorker) -> None:
    """The main thread never gets to its exit."""
    # A second is for the way from here to Ready: before it, the worker would never be ready.
    setup = "signal.signal(signal.SIGALRM, never_ends); signal.setitimer(signal.ITIMER_REAL, 1)"
    worker = start_worker(MODEL.format(setup=setup))
    worker.wait_server_log("held")
    code = worker.shut_down()
    (record,) = worker.records
    assert (code, "never_ends" in record) == (EXIT_OK, True), record


def test_a_failed_setup_is_not_blocked_either(spawn_worker: StartWorker) -> None:
    worker = spawn_worker(MODEL.format(setup="atexit.register(never_ends); raise ValueError"))
    assert worker.wait_exit() == EXIT_SETUP_FAILED
    (record,) = worker.records
    assert "never_ends" in record


def test_what_still_runs_has_all_the_time_it_needs(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import time

        class Runner:
            def run(self):
                print("up", flush=True)
                time.sleep(2.5)
                return "done"
    """)
    prediction = worker.predict()
    prediction.wait_log("up\n")
    assert worker.shut_down() == EXIT_OK
    assert prediction.result().output == "done"
    assert worker.records == []
