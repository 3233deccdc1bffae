"""The model's own health check, in all its forms (runtime.md 2.7)."""

import textwrap

import pytest
from integration.worker.conftest import StartWorker

from coglet_protocol import control, slot

MODEL = """
    import asyncio, sys

    class Runner:
        {run}def run(self): return 1
        {check}def healthcheck(self): {body}
"""
FORMS = [("", ""), ("", "async "), ("async ", ""), ("async ", "async ")]
every_form = pytest.mark.parametrize(
    ("run", "check"), FORMS, ids=["sync", "async check", "async run", "async"]
)

FAILED = "Healthcheck failed: "
VERDICTS = {
    "True": ("return True", None),
    "False": ("return False", f"{FAILED}user-defined healthcheck returned False"),
    "None": ("return None", None),
    "zero": ("return 0", None),
    "text": ("return 'unhealthy'", None),
    "raises": ("raise OSError('no GPU')", f"{FAILED}OSError: no GPU"),
    "raises a timeout": ("raise TimeoutError('of its own')", f"{FAILED}TimeoutError: of its own"),
    "exits": ("sys.exit(1)", f"{FAILED}SystemExit: 1"),
    "interrupts": ("raise KeyboardInterrupt", f"{FAILED}KeyboardInterrupt: "),
}


@every_form
def test_its_result_is_reported_and_predictions_continue(
    start_worker: StartWorker, run: str, check: str
) -> None:
    branches = "\n".join(
        f"{'if' if n == 0 else 'elif'} self.n == {n}: {body}" for n, (body, _) in enumerate(VERDICTS.values())
    )
    worker = start_worker(f"""
        import sys

        class Runner:
            {run}def run(self, n): self.n = n
            {check}def healthcheck(self):
{textwrap.indent(branches, " " * 16)}
    """)
    for n, (_, error) in enumerate(VERDICTS.values()):
        worker.predict(n=n).result()
        result = worker.check_health()
        assert (result.status, result.error) == ("unhealthy" if error else "healthy", error)


@pytest.mark.parametrize(
    "source",
    ["class Runner:\n    def run(self): pass\n", "def Runner(): pass\nRunner.healthcheck = lambda: 1 / 0\n"],
    ids=["class", "function"],
)
def test_a_model_without_a_check_is_healthy(start_worker: StartWorker, source: str) -> None:
    assert start_worker(source).check_health().status == "healthy"


def test_during_setup_a_worker_is_healthy(spawn_worker: StartWorker) -> None:
    worker = spawn_worker("""
        import sys

        class Runner:
            def setup(self): print("setup", flush=True); open("fifo").read()
            def run(self): pass
            def healthcheck(self): return False
    """)
    worker.new_fifo()
    worker.wait_server_log("setup\n")
    assert worker.check_health().status == "healthy"
    (worker.folder / "fifo").write_text("")
    worker.wait_ready()
    assert worker.check_health().status == "unhealthy"


def test_one_that_hangs_is_unhealthy_and_affects_nothing_else(start_worker: StartWorker) -> None:
    hangs = {"": "open('fifo').read()", "async ": "await asyncio.sleep(600)"}
    workers = [start_worker(MODEL.format(run=run, check=check, body=hangs[check])) for run, check in FORMS]
    for worker in workers:
        worker.new_fifo()
        worker.say(control.Healthcheck(id="hangs"))
        assert worker.predict().result().output == 1
    for worker in workers:
        result = worker.said.wait_message(control.HealthcheckResult)
        assert result.error == f"{FAILED}user-defined healthcheck timed out after 5.0 seconds"
        assert worker.predict().result().output == 1


def test_it_runs_beside_a_sync_prediction(start_worker: StartWorker) -> None:
    worker = start_worker("""
        class Runner:
            def run(self): print("up"); print(open("fifo").read())
            def healthcheck(self): print("checking"); return True
    """)
    fifo = worker.new_fifo()
    prediction = worker.predict()
    prediction.wait_log("up\n")
    assert worker.check_health().status == "healthy"
    fifo.write_text("end")
    assert prediction.result().logs == "up\nend\n"
    assert worker.server_log == "checking\n"


def test_it_runs_beside_an_async_prediction(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import asyncio

        class Runner:
            def setup(self): self.checked = asyncio.Event()
            async def run(self): print("up"); await self.checked.wait(); print("end")
            async def healthcheck(self): print("checking"); self.checked.set()
    """)
    prediction = worker.predict()
    prediction.wait_log("up\n")
    assert worker.check_health().status == "healthy"
    assert prediction.result().logs == "up\nend\n"
    assert worker.server_log == "checking\n"


def test_an_error_of_any_size_is_reported(start_worker: StartWorker) -> None:
    body = r"raise ValueError('\ud800\x00' * (20 * 1024 * 1024))"
    worker = start_worker(MODEL.format(run="", check="", body=body))
    error = worker.check_health().error
    assert error is not None
    assert error.startswith(f"{FAILED}ValueError: ?\0?\0")
    assert isinstance(worker.predict().result().terminal, slot.Done)


def test_what_looks_like_a_coroutine_is_awaited(start_worker: StartWorker) -> None:
    worker = start_worker(
        MODEL.format(run="async ", check="", body="return self.later()")
        + "        async def later(self): return False\n"
    )
    assert worker.check_health().status == "unhealthy"
