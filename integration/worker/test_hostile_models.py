"""Models that mistreat their process: the worker, and the next prediction, survive it."""

import pytest
from integration.worker.conftest import StartWorker
from testing.worker import EXIT_FAULT

from coglet_protocol import control

PREFIXES = pytest.mark.parametrize("prefix", ["", "async "], ids=["sync", "async"])

TRICKS = {
    "closes descriptors 3 to 199": "os.closerange(3, 200)",
    "writes to descriptors 3 to 199": "[os.write(fd, b'garbage') for fd in range(3, 200) if is_open(fd)]",
    "closes its streams": "sys.stdout.close(); sys.stderr.close(); sys.stdin.close()",
    "closes standard descriptors": "os.close(0); os.close(1); os.close(2)",
    "reads all of stdin": "assert sys.stdin.read() == ''; assert os.read(0, 1) == b''",
    "deletes its streams": "del sys.stdout; del sys.stderr",
    "asks for input": "input_ends()",
    "changes the working directory": "os.chdir('/')",
    "changes the umask": "os.umask(0o777)",
    "removes TMPDIR": "shutil.rmtree(os.environ['TMPDIR'])",
    "clears the environment": "os.environ.clear()",
    "ignores all signals": "[signal.signal(n, signal.SIG_IGN) for n in (1, 2, 13, 15, 17)]",
    "waits for all children": "[os.waitpid(-1, os.WNOHANG) for _ in [1] if has_children()]",
    "sets a recursion limit": "sys.setrecursionlimit(60)",
    "turns the collector off": "gc.disable(); gc.collect()",
    "replaces print": "builtins.print = None",
    "sets default timeout": "socket.setdefaulttimeout(0.001)",
    "opens many descriptors": "leak.extend(os.dup(0) for _ in range(300))",
    "exits a thread": "t = threading.Thread(target=sys.exit, args=[3]); t.start(); t.join()",
    "leaves a thread": "threading.Thread(target=threading.Event().wait).start()",
    "recurses without limit": "f = lambda: f()\\ntry: f()\\nexcept RecursionError: pass",
    "warns as an error": "warnings.simplefilter('error')",
    "logs all": "logging.basicConfig(level=0, force=True); logging.debug('all')",
}
MODEL = """
    import asyncio, builtins, gc, logging, os, shutil, signal, socket, sys, threading, warnings

    leak = []

    def is_open(descriptor):
        try: os.fstat(descriptor)
        except OSError: return False
        return True

    def input_ends():
        try: input("?")
        except EOFError: return
        raise AssertionError

    def has_children():
        try: os.waitpid(-1, os.WNOHANG)
        except ChildProcessError: return False
        return True

    class Runner:
        {prefix}def run(self, trick):
            if trick:
                {trick}
            return trick
"""


@PREFIXES
@pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS)
def test_the_next_prediction_works(start_worker: StartWorker, prefix: str, trick: str) -> None:
    body = trick.replace("\\n", "\n" + " " * 16)
    worker = start_worker(MODEL.format(prefix=prefix, trick=body))
    assert worker.predict(trick=True).result().output is True
    for _ in range(3):
        assert worker.predict(trick=False).result().output is False
    assert worker.check_health().status == "healthy"
    assert not any(isinstance(each, control.Failed | control.Fatal) for each in worker.said.messages)
    assert worker.shut_down() == 0


FORGOTTEN = {
    "exits": "sys.exit(3)",
    "interrupts": "raise KeyboardInterrupt",
    "raises": "raise ValueError('forgotten')",
    "stops the loop": "asyncio.get_running_loop().stop()",
}


@pytest.mark.parametrize("end", FORGOTTEN.values(), ids=FORGOTTEN)
def test_a_forgotten_task_cannot_end_the_loop(start_worker: StartWorker, end: str) -> None:
    worker = start_worker(
        f"""
        import asyncio, sys

        class Runner:
            def setup(self): self.go, self.gone = asyncio.Event(), asyncio.Event()

            async def run(self, way):
                if way == "start": self.task = asyncio.create_task(self.forgotten())
                elif way == "wait":
                    print("up")
                    await self.gone.wait()
                else: self.go.set()
                return way

            async def forgotten(self):
                await self.go.wait()
                self.gone.set()
                {end}
        """,
        slots=2,
    )
    assert worker.predict(way="start").result().output == "start"
    waiting = worker.predict(on=1, way="wait")
    waiting.wait_log("up\n")
    assert worker.predict(way="go").result().output == "go"
    assert waiting.result().output == "wait"
    for _ in range(3):
        assert worker.predict(way="start").result().output == "start"


BREAKS = {
    "where predictions run": "coglet_worker.runtime.Runtime.begin = None",
    "where messages are handled": "coglet_worker.worker.Worker._handle = None",
}


@PREFIXES
@pytest.mark.parametrize("break_it", BREAKS.values(), ids=BREAKS)
def test_a_fault_of_the_worker_ends_it_with_the_reason(
    start_worker: StartWorker, prefix: str, break_it: str
) -> None:
    """Whatever else the model keeps running."""
    worker = start_worker(f"""
        import threading
        import coglet_worker.worker, coglet_worker.runtime

        class Runner:
            def setup(self): threading.Thread(target=threading.Event().wait).start()
            {prefix}def run(self): {break_it}
    """)
    worker.predict().result()
    worker.predict()
    worker.say(control.Healthcheck(id="hc_1"))
    fatal = worker.said.wait_message(control.Fatal)
    assert fatal.reason == "internal error of the worker: TypeError: 'NoneType' object is not callable"
    assert worker.wait_exit() == EXIT_FAULT
    assert "Traceback (most recent call last):" in worker.records


def test_blocking_code_of_an_async_model_blocks_and_no_more(start_worker: StartWorker) -> None:
    worker = start_worker("import time\nasync def Runner(): time.sleep(0.05); return 1\n", slots=2)
    predictions = [worker.predict(on=index) for index in range(2)]
    assert [prediction.result().output for prediction in predictions] == [1, 1]


def test_many_predictions_leave_nothing_behind(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import os

        def Runner(n):
            print(n)
            return [n, len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))]
    """)
    first = worker.predict(n=0).result().output
    for n in range(1, 2000):
        assert worker.predict(n=n).result().logs == f"{n}\n"
    assert worker.predict(n=2000).result().output[1:] == first[1:]
