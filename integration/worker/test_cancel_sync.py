"""A cancel of a sync prediction: wherever the model is, once, and never of the next one (runtime.md 8)."""

import signal
from pathlib import Path

import pytest
from integration.worker.conftest import StartWorker
from integration.worker.scripted import Scripted
from testing.prediction import Prediction, Result

from coglet_protocol import control, slot

PREAMBLE = """
    import os, queue, select, socket, subprocess, sys, threading, time
    from cog import CancelationException, current_scope
"""

BLOCKED = {
    "busy loop": "print('up'); [None for _ in iter(int, 1)]",
    "time.sleep": "print('up'); time.sleep(600)",
    "socket": "ours, theirs = socket.socketpair(); print('up'); ours.recv(1)",
    "select": "print('up'); select.select([], [], [])",
    "lock": "lock = threading.Lock(); lock.acquire(); print('up'); lock.acquire()",
    "queue": "print('up'); queue.Queue().get()",
    "event": "print('up'); threading.Event().wait()",
    "thread join": "thread = threading.Thread(target=threading.Event().wait, daemon=True); thread.start(); "
    "print('up'); thread.join()",
    "child": "child = subprocess.Popen(['cat', fifo]); print('up')\ntry: child.wait()\nfinally: child.kill()",
    "file": "print('up'); open(fifo).read()",
    "printing": "[print('up') for _ in iter(int, 1)]",
    "metrics": "print('up'); [current_scope().record_metric('n', 1) for _ in iter(int, 1)]",
    "generator": "yield 1; print('up'); time.sleep(600)",
    "generator that yields": "print('up'); yield from iter(int, 1)",
    "output": "print('up'); return (time.sleep(0) for _ in iter(int, 1))",
}


def start(scripted: Scripted, body: str, fifo: Path) -> Prediction:
    """Start a prediction and wait until it has printed `up`."""
    prediction = scripted.start(body, PREAMBLE, fifo=str(fifo))
    prediction.wait_log("up\n")
    return prediction


def canceled(scripted: Scripted, prediction: Prediction) -> Result:
    """Cancel the prediction and return its result; check that the next one works."""
    scripted.worker.cancel(prediction.message)
    result = prediction.result()
    assert result.is_canceled
    assert scripted.start("return 1").result().output == 1
    return result


@pytest.mark.parametrize("body", BLOCKED.values(), ids=BLOCKED)
def test_it_interrupts_whatever_the_model_does(scripted_sync: Scripted, body: str, fifo: Path) -> None:
    for _ in range(2):
        canceled(scripted_sync, start(scripted_sync, body, fifo))


ENDINGS = {
    "cleans up": ("print('cleanup'); raise", "up\ncleanup\n"),
    "swallows": ("print('swallowed')", "up\nswallowed\n"),
    "converts": ("raise RuntimeError('stopped')", "up\n"),
    "exits": ("sys.exit(1)", "up\n"),
}


@pytest.mark.parametrize(("ending", "logs"), ENDINGS.values(), ids=ENDINGS)
def test_however_the_model_ends_it_is_canceled(
    scripted_sync: Scripted, ending: str, logs: str, fifo: Path
) -> None:
    body = f"try: print('up'); time.sleep(600)\nexcept CancelationException: {ending}"
    assert canceled(scripted_sync, start(scripted_sync, body, fifo)).logs == logs


def test_a_model_that_returns_all_the_same_has_its_output_kept(scripted_sync: Scripted, fifo: Path) -> None:
    body = "try: print('up'); time.sleep(600)\nexcept CancelationException: return {'half': 'done'}"
    assert canceled(scripted_sync, start(scripted_sync, body, fifo)).items == [{"half": "done"}]


def test_items_before_the_cancel_are_kept(scripted_sync: Scripted, fifo: Path) -> None:
    body = "yield 'a'; yield 'b'; print('up'); time.sleep(600)"
    assert canceled(scripted_sync, start(scripted_sync, body, fifo)).items == ["a", "b"]


@pytest.mark.parametrize("place", ["except CancelationException:", "finally:"])
def test_a_second_cancel_does_not_disturb_the_clean_up_of_the_first(
    scripted_sync: Scripted, place: str, fifo: Path
) -> None:
    body = f"try: print('up'); time.sleep(600)\n{place} print('cleaning'); print(open(fifo).read())"
    prediction = start(scripted_sync, body, fifo)
    scripted_sync.worker.cancel(prediction.message)
    prediction.wait_log("cleaning\n")
    for _ in range(3):
        scripted_sync.worker.cancel(prediction.message)
    fifo.write_text("clean")
    assert canceled(scripted_sync, prediction).logs == "up\ncleaning\nclean\n"


def test_except_exception_does_not_swallow_it(scripted_sync: Scripted, fifo: Path) -> None:
    body = "while True:\n    try: print('up'); time.sleep(600)\n    except Exception: print('swallowed')"
    assert canceled(scripted_sync, start(scripted_sync, body, fifo)).logs == "up\n"


def test_a_signal_that_is_lost_is_repeated(scripted_sync: Scripted, fifo: Path) -> None:
    """One that arrives just before a system call does not interrupt it. Here, the model swallows one."""
    body = f"""
        import signal
        ours = [{scripted_sync.worker.wait_ready().cancel_signal}]
        signal.pthread_sigmask(signal.SIG_BLOCK, ours)
        print("up")
        signal.sigwait(ours)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ours)
        select.select([], [], [])
    """
    canceled(scripted_sync, start(scripted_sync, body, fifo))


def test_signals_alone_cancel_nothing(scripted_sync: Scripted, fifo: Path) -> None:
    """The supervisor sends one along with each cancel, perhaps for a prediction that has just ended."""
    body = "print('up')\nwhile not os.path.exists(fifo + ' end'): pass\nreturn 'end'"
    prediction = start(scripted_sync, body, fifo)
    for number in (scripted_sync.worker.wait_ready().cancel_signal, signal.SIGUSR1):
        for _ in range(1000):
            scripted_sync.worker.process.send_signal(number)
    fifo.with_name("fifo end").touch()
    assert prediction.result().output == "end"
    assert scripted_sync.start("return 1").result().output == 1


# at other moments


def test_one_that_comes_before_the_prediction_keeps_it_from_starting(start_worker: StartWorker) -> None:
    worker = start_worker("def Runner(): print('started')\n")
    message = worker.next_message(input=b"{}")
    worker.cancel(message)
    result = worker.send_predict(message).result()
    assert result.is_canceled
    assert result.logs == ""
    assert isinstance(worker.predict().result().terminal, slot.Done)


def test_one_that_comes_late_does_not_hit_the_next_prediction(scripted_sync: Scripted, fifo: Path) -> None:
    earlier = scripted_sync.start("return 1")
    earlier.result()
    running = start(scripted_sync, "print('up'); print(open(fifo).read())", fifo)
    scripted_sync.worker.cancel(earlier.message)
    fifo.write_text("end")
    assert isinstance(running.result().terminal, slot.Done)
    assert running.result().logs == "up\nend\n"


def test_one_of_an_earlier_prediction_does_not_undo_that_of_the_running_one(
    scripted_sync: Scripted, fifo: Path
) -> None:
    earlier = scripted_sync.start("return 1")
    earlier.result()
    running = start(scripted_sync, "try: print('up'); time.sleep(600)\nfinally: open(fifo).read()", fifo)
    scripted_sync.worker.cancel(running.message)
    scripted_sync.worker.cancel(earlier.message)
    fifo.write_text("")
    canceled(scripted_sync, running)


def test_one_between_predictions_does_nothing(scripted_sync: Scripted) -> None:
    earlier = scripted_sync.start("return 1")
    earlier.result()
    scripted_sync.worker.cancel(earlier.message)
    assert scripted_sync.start("print('ran')").result().logs == "ran\n"


def test_a_thread_of_the_model_is_never_interrupted(scripted_sync: Scripted, fifo: Path) -> None:
    body = """
        thread = threading.Thread(target=lambda: print(open(fifo).read()))
        thread.start()
        try: print("up"); time.sleep(600)
        finally: thread.join()
    """
    prediction = start(scripted_sync, body, fifo)
    scripted_sync.worker.cancel(prediction.message)
    fifo.write_text("from the thread")
    assert canceled(scripted_sync, prediction).logs == "up\nfrom the thread\n"


def test_one_during_a_slow_healthcheck_does_not_wait_for_it(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import time

        class Runner:
            def run(self): print("up"); time.sleep(600)
            def healthcheck(self): print("checking"); open("fifo").read()
    """)
    worker.new_fifo()
    prediction = worker.predict()
    prediction.wait_log("up\n")
    worker.say(control.Healthcheck(id="slow"))
    worker.wait_server_log("checking\n")
    message = prediction.message
    worker.say(control.Cancel(slot=worker.wait_ready().slots[0], id=message.id, sequence=message.sequence))
    assert prediction.result().is_canceled
    (worker.folder / "fifo").write_text("")
    worker.said.wait_message(control.HealthcheckResult)


def test_a_training_is_canceled_alike(start_worker: StartWorker) -> None:
    worker = start_worker(
        "import time\nclass Runner:\n  def train(self): print('up'); time.sleep(600)\n", is_train=True
    )
    prediction = worker.predict()
    prediction.wait_log("up\n")
    worker.cancel(prediction.message)
    assert prediction.result().is_canceled
