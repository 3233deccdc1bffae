"""Concurrent predictions are isolated: logs, context, metrics, scope (runtime.md 7.1, 9)."""

import json

import pytest
from integration.worker.conftest import StartWorker
from integration.worker.scripted import Scripted

from coglet_protocol import slot

SLOTS = 32
BUSY = """
    import asyncio, random
    import cog

    class Runner:
        def setup(self): self.running, self.full = 0, asyncio.Event()

        async def run(self, name, seed):
            self.running += 1
            if self.running == 32: self.full.set()
            await self.full.wait()
            chance = random.Random(seed)
            for step in range(30):
                await chance.choice([self.task, self.thread, self.executor, self.here])(name, step)
                await asyncio.sleep(chance.uniform(0, 0.002))
            return [self.running, cog.current_scope().context]

        async def here(self, name, step): self.emit(name, step)
        async def task(self, name, step): await asyncio.create_task(self.here(name, step))
        async def thread(self, name, step): await asyncio.to_thread(self.emit, name, step)
        async def executor(self, name, step):
            await asyncio.get_running_loop().run_in_executor(None, self.emit, name, step)

        def emit(self, name, step):
            assert cog.current_scope().context == {"tenant": name}
            print(f"{name} ", end="")
            print(step)
            cog.current_scope().record_metric(f"steps.{name}", step, "append")
"""


def test_thirty_two_at_once(start_worker: StartWorker) -> None:
    worker = start_worker(BUSY, slots=SLOTS)
    predictions = []
    for index in range(SLOTS):
        arguments = json.dumps({"name": f"p{index}", "seed": index}).encode()
        message = worker.next_message(input=arguments, context={"tenant": f"p{index}"})
        predictions.append(worker.send_predict(message, on=index))
    for index, prediction in enumerate(predictions):
        name, result = f"p{index}", prediction.result()
        assert result.output == [SLOTS, {"tenant": name}]
        assert result.logs.splitlines() == [f"{name} {step}" for step in range(30)]
        assert result.metrics == [(f"steps.{name}", step, "append") for step in range(30)]
    assert worker.server_log == ""


SCOPE = """
    import asyncio, concurrent.futures, threading
    import cog

    pool = concurrent.futures.ThreadPoolExecutor(1)
    pool.submit(int).result()

    def called(function):
        results = []
        thread = threading.Thread(target=lambda: results.append(function()))
        thread.start()
        thread.join()
        return results[0]

    def context(): return cog.current_scope().context

    class Runner(cog.BaseRunner):
        {prefix}def run(self): {body}
"""
PLACES = {
    "run": "return context()",
    "self.scope": "return self.scope.context",
    "thread": "return called(context)",
    "new pool": "return concurrent.futures.ThreadPoolExecutor(1).submit(context).result()",
    "old pool": "return pool.submit(context).result()",
}


@pytest.mark.parametrize("prefix", ["", "async "], ids=["sync", "async"])
@pytest.mark.parametrize("body", PLACES.values(), ids=PLACES)
def test_the_context_is_that_of_the_prediction(start_worker: StartWorker, prefix: str, body: str) -> None:
    worker = start_worker(SCOPE.format(prefix=prefix, body=body))
    for tenant in ("a", "b"):
        message = worker.next_message(input=b"{}", context={"tenant": tenant})
        assert worker.send_predict(message).result().output == {"tenant": tenant}
    assert worker.predict().result().output == {}


def test_a_thread_of_setup_has_no_scope(start_worker: StartWorker) -> None:
    """A context may hold tokens of a client, so there is no fallback to the prediction that is running."""
    worker = start_worker("""
        import queue, threading
        import cog

        class Runner:
            def setup(self):
                self.asked, self.answers = queue.Queue(), queue.Queue()
                threading.Thread(target=self.answer, daemon=True).start()

            def answer(self):
                while self.asked.get():
                    cog.current_scope().record_metric("n", 1)
                    self.answers.put([cog.current_scope().context, repr(cog.current_scope())])

            def run(self):
                self.asked.put(True)
                return self.answers.get()
    """)
    message = worker.next_message(input=b"{}", context={"token": "secret"})
    result = worker.send_predict(message).result()
    assert result.output == [{}, "Scope(MetricRecorder(inactive))"]
    assert result.metrics == []


def test_a_scope_that_is_kept_becomes_inactive_with_its_prediction(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import cog

        class Runner:
            kept = None
            def run(self):
                if self.kept: self.kept.record_metric("late", 1)
                before, self.kept = repr(self.kept), cog.current_scope()
                self.kept.record_metric("n", 1)
                return [before, repr(self.kept)]
    """)
    first, second = worker.predict().result(), worker.predict().result()
    assert first.output == ["None", "Scope(MetricRecorder(keys=1))"]
    assert second.output == ["Scope(MetricRecorder(inactive))", "Scope(MetricRecorder(keys=1))"]
    assert first.metrics == second.metrics == [("n", 1, "replace")]


def test_outside_of_predictions_a_scope_does_nothing(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import cog

        class Runner:
            def setup(self):
                cog.current_scope().record_metric("setup", 1)
                self.seen = [repr(cog.current_scope()), cog.current_scope().context]
            def run(self): return self.seen
    """)
    result = worker.predict().result()
    assert result.output == ["Scope(MetricRecorder(inactive))", {}]
    assert result.metrics == []


def test_metrics_outputs_and_logs_keep_their_order(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import cog

        def Runner():
            for n in range(100):
                print("log", n)
                cog.current_scope().record_metric("n", n)
                yield n
    """)
    messages = worker.predict().result().messages[:-1]
    expected = [each for n in range(100) for each in (f"log {n}\n", n, str(n))]
    sent: list[object] = []
    for message in messages:
        if isinstance(message, slot.Log):
            sent.append(message.data)
        elif isinstance(message, slot.Metric):
            sent.append(int(message.value))
        elif isinstance(message, slot.Output):
            sent.append(message.output.decode())
    assert sent == expected


RECORDING = """
    import cog

    def deep():
        value = []
        for _ in range(100_000): value = [value]
        return value

    def refused(error, name, value):
        try: record(name, value)
        except error: return
        raise AssertionError("accepted")

    def record(name, value): cog.current_scope().record_metric(name, value)
"""
METRICS = {
    "types": (
        "[record(f'm{i}', v) for i, v in enumerate([True, 1, 1.5, 'é', [1, None], {'a': {'b': None}}])]",
        [("m0", True), ("m1", 1), ("m2", 1.5), ("m3", "é"), ("m4", [1, None]), ("m5", {"a": {"b": None}})],
    ),
    "big integer": ("record('m', 2 ** 70)", [("m", 2**70)]),
    "deleted": ("record('m', 1); record('m', None)", [("m", 1), ("m", None)]),
    "infinite": ("record('m', float('inf')); record('n', 1)", [("n", 1)]),
    "no Unicode": (r"record('m', '\ud800')", [("m", "?")]),
    "after a failed one": ("refused(ValueError, '', 1); record('m', 1)", [("m", 1)]),
    "too large": ("refused(ValueError, 'm', 'x' * 9_000_000); record('n', 1)", [("n", 1)]),
    "too deep": ("refused(RecursionError, 'm', deep()); record('n', 1)", [("n", 1)]),
    "changed later": ("v = [1]; record('m', v); v.append(2)", [("m", [1])]),
}


@pytest.mark.parametrize(("body", "metrics"), METRICS.values(), ids=METRICS)
def test_metrics_are_sent_as_they_were_recorded(
    scripted: Scripted, body: str, metrics: list[tuple[str, object]]
) -> None:
    result = scripted.start(f"{body}\nprint('after')\nreturn 'fine'", RECORDING).result()
    assert result.output == "fine"
    assert result.logs == "after\n"
    assert [(name, value) for name, value, _ in result.metrics] == metrics


def test_metrics_of_a_failed_prediction_have_been_sent(scripted: Scripted) -> None:
    result = scripted.start("import cog; cog.current_scope().record_metric('n', 1, 'incr'); 1 / 0").result()
    assert "ZeroDivisionError" in result.error
    assert result.metrics == [("n", 1, "increment")]
