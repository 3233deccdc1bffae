"""A cancel of an async prediction: its task ends, then its slot is free, and nobody else notices."""

import os

import pytest
from integration.worker.conftest import StartWorker

from coglet_protocol import control, slot

MODEL = """
    import asyncio, sys, time
    from asyncio import CancelledError

    class Runner:
        def setup(self): self.never, self.go = asyncio.Event(), asyncio.Event()

        async def free(self): self.go.set()

        async def forever(self):
            while True:
                yield 1
                await asyncio.sleep(0)

        async def run(self, fifo=""):
            {body}
"""

WAITING = {
    "sleep": "print('up'); await asyncio.sleep(600)",
    "event": "print('up'); await self.never.wait()",
    "thread": "print('up'); await asyncio.to_thread(lambda: open(fifo).read())",
    "child": "child = await asyncio.create_subprocess_exec('cat', fifo); print('up')\n"
    "try: await child.wait()\nfinally: child.kill(); await child.wait()",
    "task": "print('up'); await asyncio.create_task(asyncio.sleep(600))",
    "gather": "print('up'); await asyncio.gather(asyncio.sleep(600), self.never.wait())",
    "short sleeps": "print('up')\nwhile True: await asyncio.sleep(0)",
    "async generator": "yield 1; print('up'); await asyncio.sleep(600)",
    "async generator that yields": "print('up')\nwhile True: yield 1; await asyncio.sleep(0)",
    "returned iterator": "print('up'); return self.forever()",
}


def written(body: str) -> str:
    return MODEL.format(body=body.replace("\n", "\n" + " " * 12))


@pytest.mark.parametrize("body", WAITING.values(), ids=WAITING)
def test_it_ends_whatever_the_model_awaits(start_worker: StartWorker, body: str) -> None:
    worker = start_worker(written(body))
    fifo = worker.folder / "fifo"
    os.mkfifo(fifo)
    for _ in range(2):
        prediction = worker.predict(fifo=str(fifo))
        prediction.wait_log("up\n")
        worker.cancel(prediction.message)
        assert prediction.result().is_canceled
    assert not any(isinstance(each, control.Failed | control.Fatal) for each in worker.said.messages)
    if "thread" in body:
        for _ in range(2):
            fifo.write_text("")


ENDINGS = {
    "cleans up": ("await asyncio.sleep(0); print('cleanup'); raise", "up\ncleanup\n"),
    "swallows": ("await asyncio.sleep(0); print('swallowed')", "up\nswallowed\n"),
    "converts": ("raise RuntimeError('stopped')", "up\n"),
    "exits": ("sys.exit(1)", "up\n"),
}


@pytest.mark.parametrize(("ending", "logs"), ENDINGS.values(), ids=ENDINGS)
def test_however_the_model_ends_it_is_canceled(start_worker: StartWorker, ending: str, logs: str) -> None:
    worker = start_worker(
        written(f"print('up')\ntry: await asyncio.sleep(600)\nexcept CancelledError: {ending}")
    )
    for _ in range(2):
        prediction = worker.predict()
        prediction.wait_log("up\n")
        worker.cancel(prediction.message)
        assert prediction.result().is_canceled
        assert prediction.result().logs == logs


def test_a_model_that_returns_all_the_same_has_its_output_kept(start_worker: StartWorker) -> None:
    body = "print('up')\ntry: await asyncio.sleep(600)\nexcept CancelledError: return {'half': 'done'}"
    worker = start_worker(written(body))
    prediction = worker.predict()
    prediction.wait_log("up\n")
    worker.cancel(prediction.message)
    assert prediction.result().is_canceled
    assert prediction.result().items == [{"half": "done"}]


def test_items_before_the_cancel_are_kept(start_worker: StartWorker) -> None:
    worker = start_worker(written("yield 'a'; yield 'b'; await asyncio.sleep(600)"))
    prediction = worker.predict()
    prediction.wait_item(1)
    worker.cancel(prediction.message)
    assert prediction.result().is_canceled
    assert prediction.result().items == ["a", "b"]


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
    worker = start_worker(written("print('started')"))
    message = worker.next_message(input=b"{}")
    worker.cancel(message)
    result = worker.send_predict(message).result()
    assert result.is_canceled
    assert result.logs == ""
    assert isinstance(worker.predict().result().terminal, slot.Done)


def test_one_that_comes_late_does_not_hit_the_next_prediction(start_worker: StartWorker) -> None:
    worker = start_worker(written("print('up'); await asyncio.to_thread(lambda: open(fifo).read())"))
    fifo = worker.folder / "fifo"
    os.mkfifo(fifo)
    first = worker.predict(fifo=str(fifo))
    fifo.write_text("")
    first.result()
    second = worker.predict(fifo=str(fifo))
    second.wait_log("up\n")
    worker.cancel(first.message)
    fifo.write_text("")
    assert isinstance(second.result().terminal, slot.Done)


def test_the_neighbours_go_on(start_worker: StartWorker) -> None:
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
    worker = start_worker(written("return 1"))
    worker.say(control.Cancel(slot="no such slot", id="pred_1", sequence=1))
    assert worker.check_health().status == "healthy"
    assert worker.records == ["cancel of pred_1 on slot no such slot, which is none of this worker"]
    assert worker.predict().result().output == 1
