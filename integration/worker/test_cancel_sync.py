"""A cancel of a sync prediction: wherever the model is, once, and never of the next one (runtime.md 8)."""

import os

import pytest
from integration.harness.worker import Worker
from integration.worker.conftest import StartWorker

from coglet_protocol import control, slot

MODEL = """
    import os, queue, select, socket, subprocess, sys, threading, time
    from cog import CancelationException, current_scope

    class Runner:
        def run(self, fifo=""):
            {body}
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


def written(body: str) -> str:
    return MODEL.format(body=body.replace("\n", "\n" + " " * 12))


def assert_still_works(worker: Worker) -> None:
    """Another prediction runs on the slot, and nothing of the cancel is left."""
    assert worker.check_health().status == "healthy"
    assert not any(isinstance(each, control.Failed | control.Fatal) for each in worker.said.messages)


@pytest.mark.parametrize("body", BLOCKED.values(), ids=BLOCKED)
def test_it_interrupts_whatever_the_model_does(start_worker: StartWorker, body: str) -> None:
    worker = start_worker(written(body))
    fifo = worker.folder / "fifo"
    os.mkfifo(fifo)
    for _ in range(2):
        prediction = worker.predict(fifo=str(fifo))
        prediction.wait_log("up\n")
        worker.cancel(prediction.message)
        assert prediction.result().is_canceled
    assert_still_works(worker)


ENDINGS = {
    "cleans up": ("print('cleanup'); raise", "up\ncleanup\n"),
    "swallows": ("print('swallowed')", "up\nswallowed\n"),
    "converts": ("raise RuntimeError('stopped')", "up\n"),
    "exits": ("sys.exit(1)", "up\n"),
}


@pytest.mark.parametrize(("ending", "logs"), ENDINGS.values(), ids=ENDINGS)
def test_however_the_model_ends_it_is_canceled(start_worker: StartWorker, ending: str, logs: str) -> None:
    body = f"try: print('up'); time.sleep(600)\nexcept CancelationException: {ending}"
    worker = start_worker(written(body))
    prediction = worker.predict()
    prediction.wait_log("up\n")
    worker.cancel(prediction.message)
    assert prediction.result().is_canceled
    assert prediction.result().logs == logs
    assert_still_works(worker)


def test_a_model_that_returns_all_the_same_has_its_output_kept(start_worker: StartWorker) -> None:
    body = "try: print('up'); time.sleep(600)\nexcept CancelationException: return {'half': 'done'}"
    worker = start_worker(written(body))
    prediction = worker.predict()
    prediction.wait_log("up\n")
    worker.cancel(prediction.message)
    assert prediction.result().is_canceled
    assert prediction.result().items == [{"half": "done"}]


def test_items_before_the_cancel_are_kept(start_worker: StartWorker) -> None:
    worker = start_worker(written("yield 'a'; yield 'b'; time.sleep(600)"))
    prediction = worker.predict()
    prediction.wait_item(1)
    worker.cancel(prediction.message)
    assert prediction.result().is_canceled
    assert prediction.result().items == ["a", "b"]


@pytest.mark.parametrize("place", ["except CancelationException:", "finally:"])
def test_a_second_cancel_does_not_disturb_the_clean_up_of_the_first(
    start_worker: StartWorker, place: str
) -> None:
    worker = start_worker(
        written(f"try: print('up'); time.sleep(600)\n{place} print('cleaning'); print(open(fifo).read())")
    )
    fifo = worker.folder / "fifo"
    os.mkfifo(fifo)
    prediction = worker.predict(fifo=str(fifo))
    prediction.wait_log("up\n")
    worker.cancel(prediction.message)
    prediction.wait_log("cleaning\n")
    for _ in range(3):
        worker.cancel(prediction.message)
    fifo.write_text("clean")
    assert prediction.result().is_canceled
    assert prediction.result().logs == "up\ncleaning\nclean\n"
    assert_still_works(worker)


def test_except_exception_does_not_swallow_it(start_worker: StartWorker) -> None:
    worker = start_worker(
        written(
            "while True:\n    try: print('up'); time.sleep(600)\n    except Exception: print('swallowed')"
        )
    )
    prediction = worker.predict()
    prediction.wait_log("up\n")
    worker.cancel(prediction.message)
    assert prediction.result().is_canceled
    assert prediction.result().logs == "up\n"


# at other moments


def test_one_that_comes_before_the_prediction_keeps_it_from_starting(start_worker: StartWorker) -> None:
    worker = start_worker(written("print('started')"))
    message = worker.next_message(input=b"{}")
    worker.cancel(message)
    result = worker.send_predict(message).result()
    assert result.is_canceled
    assert result.logs == ""
    assert isinstance(worker.predict().result().terminal, slot.Done)


def test_one_that_comes_late_does_not_hit_the_next_prediction(start_worker: StartWorker) -> None:
    """Not even when it has the same id, which a client may choose."""
    worker = start_worker(written("print('up'); print(open(fifo).read())"))
    fifo = worker.folder / "fifo"
    os.mkfifo(fifo)
    first = worker.predict(fifo=str(fifo))
    fifo.write_text("first")
    first.result()
    second = worker.predict(fifo=str(fifo))
    second.wait_log("up\n")
    worker.cancel(first.message)
    fifo.write_text("second")
    assert isinstance(second.result().terminal, slot.Done)
    assert second.result().logs == "up\nsecond\n"


def test_one_of_an_older_prediction_does_not_undo_that_of_the_running_one(start_worker: StartWorker) -> None:
    worker = start_worker(written("try: print('up'); time.sleep(600)\nfinally: open(fifo).read()"))
    fifo = worker.folder / "fifo"
    os.mkfifo(fifo)
    older, running = worker.next_message(input=b"{}"), worker.predict(fifo=str(fifo))
    running.wait_log("up\n")
    worker.cancel(running.message)
    worker.cancel(older)
    fifo.write_text("")
    assert running.result().is_canceled


def test_one_between_predictions_does_nothing(start_worker: StartWorker) -> None:
    worker = start_worker(written("print('ran')"))
    prediction = worker.predict()
    prediction.result()
    worker.cancel(prediction.message)
    assert worker.predict().result().logs == "ran\n"


def test_code_outside_of_run_is_never_interrupted(start_worker: StartWorker) -> None:
    """A thread of the model goes on, as no signal reaches it."""
    worker = start_worker(
        written(
            "thread = threading.Thread(target=lambda: print(open(fifo).read())); thread.start()\n"
            "try: print('up'); time.sleep(600)\nfinally: thread.join()"
        )
    )
    fifo = worker.folder / "fifo"
    os.mkfifo(fifo)
    prediction = worker.predict(fifo=str(fifo))
    prediction.wait_log("up\n")
    worker.cancel(prediction.message)
    fifo.write_text("from the thread")
    assert prediction.result().is_canceled
    assert prediction.result().logs == "up\nfrom the thread\n"


def test_one_during_a_slow_healthcheck_does_not_wait_for_it(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import time

        class Runner:
            def run(self): print("up"); time.sleep(600)
            def healthcheck(self): print("checking"); open("fifo").read()
    """)
    os.mkfifo(worker.folder / "fifo")
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
