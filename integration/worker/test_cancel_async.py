"""A cancel of an async prediction: its task ends, then its slot is free; other predictions are unaffected."""

from pathlib import Path

import pytest
from integration.worker.conftest import StartWorker
from integration.worker.scripted import Scripted
from testing.prediction import Prediction, Result

from coglet_protocol import control, slot

PREAMBLE = """
    import asyncio, sys
    from asyncio import CancelledError

    async def forever():
        while True:
            yield 1
            await asyncio.sleep(0)
"""

WAITING = {
    "sleep": "print('up'); await asyncio.sleep(600)",
    "event": "print('up'); await asyncio.Event().wait()",
    "thread": "print('up'); await asyncio.to_thread(lambda: open(fifo).read())",
    "child": "child = await asyncio.create_subprocess_exec('cat', fifo); print('up')\n"
    "try: await child.wait()\nfinally: child.kill(); await child.wait()",
    "task": "print('up'); await asyncio.create_task(asyncio.sleep(600))",
    "gather": "print('up'); await asyncio.gather(asyncio.sleep(600), asyncio.Event().wait())",
    "short sleeps": "print('up')\nwhile True: await asyncio.sleep(0)",
    "async generator": "yield 1; print('up'); await asyncio.sleep(600)",
    "async generator that yields": "print('up')\nwhile True: yield 1; await asyncio.sleep(0)",
    "returned iterator": "print('up'); return forever()",
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


@pytest.mark.parametrize("body", WAITING.values(), ids=WAITING)
def test_it_ends_whatever_the_model_awaits(scripted_async: Scripted, body: str, fifo: Path) -> None:
    for _ in range(2):
        canceled(scripted_async, start(scripted_async, body, fifo))


ENDINGS = {
    "cleans up": ("await asyncio.sleep(0); print('cleanup'); raise", "up\ncleanup\n"),
    "swallows": ("await asyncio.sleep(0); print('swallowed')", "up\nswallowed\n"),
    "converts": ("raise RuntimeError('stopped')", "up\n"),
    "exits": ("sys.exit(1)", "up\n"),
}


@pytest.mark.parametrize(("ending", "logs"), ENDINGS.values(), ids=ENDINGS)
def test_however_the_model_ends_it_is_canceled(
    scripted_async: Scripted, ending: str, logs: str, fifo: Path
) -> None:
    body = f"print('up')\ntry: await asyncio.sleep(600)\nexcept CancelledError: {ending}"
    assert canceled(scripted_async, start(scripted_async, body, fifo)).logs == logs


def test_a_model_that_returns_all_the_same_has_its_output_kept(scripted_async: Scripted, fifo: Path) -> None:
    body = "print('up')\ntry: await asyncio.sleep(600)\nexcept CancelledError: return {'half': 'done'}"
    assert canceled(scripted_async, start(scripted_async, body, fifo)).items == [{"half": "done"}]


def test_items_before_the_cancel_are_kept(scripted_async: Scripted, fifo: Path) -> None:
    body = "yield 'a'; yield 'b'; print('up'); await asyncio.sleep(600)"
    assert canceled(scripted_async, start(scripted_async, body, fifo)).items == ["a", "b"]


@pytest.mark.parametrize("place", ["except CancelledError:", "finally:"])
def test_a_second_cancel_does_not_disturb_the_clean_up_of_the_first(
    start_worker: StartWorker, place: str
) -> None:
    """The slot is free when the clean-up is over, whose logs belong to the prediction."""
    worker = start_worker(
        """
        import asyncio

        class Runner:
            def setup(self): self.go = asyncio.Event()

            async def run(self, wait=True):
                if not wait:
                    self.go.set()
                    return
                print("up")
                try:
                    await asyncio.sleep(600)
                {place}
                    print("cleaning")
                    await self.go.wait()
                    print("clean")
        """.replace("{place}", place).replace("CancelledError", "asyncio.CancelledError"),
        slots=2,
    )
    prediction = worker.predict()
    prediction.wait_log("up\n")
    worker.cancel(prediction.message)
    prediction.wait_log("cleaning\n")
    for _ in range(3):
        worker.cancel(prediction.message)
    worker.predict(on=1, wait=False).result()
    assert prediction.result().is_canceled
    assert prediction.result().logs == "up\ncleaning\nclean\n"


def test_one_that_comes_before_the_prediction_keeps_it_from_starting(start_worker: StartWorker) -> None:
    worker = start_worker("async def Runner(): print('started')\n")
    message = worker.next_message(input=b"{}")
    worker.cancel(message)
    result = worker.send_predict(message).result()
    assert result.is_canceled
    assert result.logs == ""
    assert isinstance(worker.predict().result().terminal, slot.Done)


def test_one_that_comes_late_does_not_hit_the_next_prediction(scripted_async: Scripted, fifo: Path) -> None:
    earlier = scripted_async.start("return 1")
    earlier.result()
    body = "print('up'); print(await asyncio.to_thread(lambda: open(fifo).read()))"
    running = start(scripted_async, body, fifo)
    scripted_async.worker.cancel(earlier.message)
    fifo.write_text("end")
    assert isinstance(running.result().terminal, slot.Done)
    assert running.result().logs == "up\nend\n"


def test_the_other_predictions_continue(start_worker: StartWorker) -> None:
    worker = start_worker(
        """
        import asyncio

        class Runner:
            def setup(self): self.go = asyncio.Event()

            async def run(self, name):
                print(name)
                if name == "last": self.go.set()
                await self.go.wait()
                return name
        """,
        slots=4,
    )
    predictions = [worker.predict(on=index, name=f"{index}") for index in range(3)]
    for index, prediction in enumerate(predictions):
        prediction.wait_log(f"{index}\n")
    worker.cancel(predictions[1].message, on=1)
    assert predictions[1].result().is_canceled
    assert worker.predict(on=3, name="last").result().output == "last"
    assert [predictions[index].result().output for index in (0, 2)] == ["0", "2"]


def test_a_cancel_of_an_unknown_slot_is_reported_and_does_no_harm(start_worker: StartWorker) -> None:
    worker = start_worker("async def Runner(): return 1\n")
    worker.say(control.Cancel(slot="no such slot", id="pred_1", sequence=1))
    assert worker.check_health().status == "healthy"
    assert worker.records == ["ignoring cancel of pred_1: this worker has no slot no such slot"]
    assert worker.predict().result().output == 1
