"""Models that use signals themselves: a cancel reaches them all the same, and they keep their handlers."""

import os
import signal

import pytest
from integration.worker.conftest import StartWorker
from testing.prediction import Prediction
from testing.worker import Worker

USES = {
    "faulthandler": "faulthandler.register(signal.SIGUSR1, file=open('dump', 'w'))",
    "a handler": "signal.signal(signal.SIGUSR1, theirs)",
    "ignored": "signal.signal(signal.SIGUSR1, signal.SIG_IGN)",
    "blocked": "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])",
}
ALL = {
    "all handled": "[signal.signal(n, theirs) for n in catchable]",
    "all ignored": "[signal.signal(n, signal.SIG_IGN) for n in catchable]",
    "all blocked": "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())",
}
MODEL = """
    import faulthandler, signal, time

    catchable = set(signal.valid_signals()) - {{signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}}

    def theirs(number, frame): open("theirs", "a").write("x")

    class Runner:
        def setup(self):
            {at_setup}
        def run(self, way):
            {at_run}
            print("up")
            if way == "busy": [None for _ in iter(int, 1)]
            if way == "asleep": time.sleep(600)
"""


def cancel(worker: Worker, prediction: Prediction) -> None:
    """Send a cancel and the signal, as the supervisor does."""
    worker.say_cancel(prediction.message)
    if number := worker.wait_ready().cancel_signal:
        os.kill(worker.process.pid, number)


def assert_cancels(worker: Worker, *ways: str) -> None:
    for way in ways:
        running = worker.predict(way=way)
        running.wait_log("up\n")
        cancel(worker, running)
        assert running.result().is_canceled
    assert not any(
        (worker.folder / name).is_file() and (worker.folder / name).stat().st_size for name in LEFT
    )


LEFT = ("dump", "theirs")


@pytest.mark.parametrize("use", [*USES.values(), *ALL.values()], ids=[*USES, *ALL])
def test_one_that_uses_it_since_setup_is_canceled_and_reported(start_worker: StartWorker, use: str) -> None:
    worker = start_worker(MODEL.format(at_setup=use, at_run="pass"))
    assert_cancels(worker, "busy", "asleep", "busy")
    worker.check_health()
    notes = [record for record in worker.records if "SIGUSR1" in record]
    assert len(notes) == 1
    assert f"predictions are canceled by signal {worker.wait_ready().cancel_signal}" in notes[0]


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_one_that_uses_it_while_it_predicts_is_canceled(start_worker: StartWorker, use: str) -> None:
    worker = start_worker(MODEL.format(at_setup="pass", at_run=use))
    assert_cancels(worker, "busy", "asleep", "busy")


@pytest.mark.parametrize("use", ALL.values(), ids=ALL)
def test_one_that_uses_all_while_it_predicts_is_canceled_the_next_time(
    start_worker: StartWorker, use: str
) -> None:
    worker = start_worker(MODEL.format(at_setup="pass", at_run=f"if way == 'use': {use}"))
    for _ in range(2):
        worker.predict(way="use").result()
        assert_cancels(worker, "asleep", "busy")
    worker.check_health()
    notes = [record for record in worker.records if "restored it" in record]
    assert len(notes) == ("blocked" not in use and "SIG_BLOCK" not in use)


def test_its_handler_is_called_for_its_own_signals_alone(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import signal, time

        class Runner:
            def setup(self): signal.signal(signal.SIGUSR1, lambda *_: print("theirs"))
            def run(self):
                print("up")
                while True:  # a signal just before a sleep is seen after it
                    time.sleep(0.01)
    """)
    for _ in range(2):
        running = worker.predict()
        running.wait_log("up\n")
        os.kill(worker.process.pid, signal.SIGUSR1)
        running.wait_log("theirs\n")
        cancel(worker, running)
        assert running.result().is_canceled
        assert running.result().logs == "up\ntheirs\n"


def test_an_async_one_needs_no_signal(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import asyncio, signal

        class Runner:
            async def setup(self):
                asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: print("theirs"))
            async def run(self):
                print("up")
                await asyncio.sleep(600)
    """)
    assert worker.wait_ready().cancel_signal == 0
    running = worker.predict()
    running.wait_log("up\n")
    cancel(worker, running)
    assert running.result().is_canceled
    assert running.result().logs == "up\n"


def test_a_supervisor_of_an_earlier_release_sends_another(start_worker: StartWorker) -> None:
    worker = start_worker(MODEL.format(at_setup="pass", at_run="pass"))
    running = worker.predict(way="busy")
    running.wait_log("up\n")
    os.kill(worker.process.pid, signal.SIGUSR1)
    worker.say_cancel(running.message)
    os.kill(worker.process.pid, signal.SIGUSR1)
    assert running.result().is_canceled


def test_a_forked_child_has_the_handlers_of_the_model_alone(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import os, signal

        class Runner:
            def setup(self): signal.signal(signal.SIGUSR1, self.theirs)
            def theirs(self, number, frame): ...
            def run(self):
                child = os.fork()
                if child: return os.waitpid(child, 0)[1] >> 8
                handled = [n for n in signal.valid_signals() if callable(signal.getsignal(n))]
                os._exit(handled == [signal.SIGINT, signal.SIGUSR1])
    """)
    assert worker.predict().result().output == 1
