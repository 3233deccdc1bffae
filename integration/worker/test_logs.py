"""Which logs get the output of Python code (runtime.md 7.1, 7.2, 7.4)."""

from itertools import groupby
from operator import itemgetter

import pytest
from integration.worker.conftest import StartWorker
from integration.worker.scripted import Scripted

from coglet_protocol import slot
from coglet_protocol.limits import LOG_TRUNCATED_NOTICE, MAX_LOG_BYTES

PREAMBLE = """
    import asyncio, concurrent.futures, logging, multiprocessing.pool, sys, threading, warnings

    logging.basicConfig(format="%(message)s")

    def in_thread(function, *arguments):
        thread = threading.Thread(target=function, args=arguments)
        thread.start()
        thread.join()

    class Printing(threading.Thread):
        def run(self):
            print("hello")
"""
EVERYWHERE = {
    "print": "print('hello')",
    "stderr": "print('hello', file=sys.stderr)",
    "write": "sys.stdout.write('hello\\n')",
    "writelines": "sys.stdout.writelines(['hel', 'lo\\n'])",
    "logging": "logging.error('hello')",
    "warnings": "warnings.warn_explicit('hello', UserWarning, 'x', 1)",
    "unfinished": "print('hel', end=''); print('lo', end='')",
    "thread": "in_thread(print, 'hello')",
    "thread of a thread": "in_thread(in_thread, print, 'hello')",
    "subclass of Thread": "thread = Printing(); thread.start(); thread.join()",
    "timer": "timer = threading.Timer(0, print, ['hello']); timer.start(); timer.join()",
    "pool": "concurrent.futures.ThreadPoolExecutor(1).submit(print, 'hello').result()",
    "pool of multiprocessing": "multiprocessing.pool.ThreadPool(1).apply(print, ['hello'])",
    "traceback of a thread": "in_thread(int, 'hello')",
}
ASYNC_ONLY = {
    "task": "await asyncio.create_task(asyncio.to_thread(print, 'hello'))",
    "to_thread": "await asyncio.to_thread(print, 'hello')",
    "run_in_executor": "await asyncio.get_running_loop().run_in_executor(None, print, 'hello')",
    "call_soon": "asyncio.get_running_loop().call_soon(print, 'hello'); await asyncio.sleep(0)",
}


def assert_hello_is_logged(scripted: Scripted, body: str) -> None:
    assert "hello" in scripted.start(body, PREAMBLE).result().logs
    assert "hello" not in scripted.worker.server_log


@pytest.mark.parametrize("body", EVERYWHERE.values(), ids=EVERYWHERE)
def test_what_a_prediction_prints_is_in_its_logs(scripted: Scripted, body: str) -> None:
    assert_hello_is_logged(scripted, body)


@pytest.mark.parametrize("body", ASYNC_ONLY.values(), ids=ASYNC_ONLY)
def test_what_the_tasks_of_a_prediction_print_is_in_its_logs(scripted_async: Scripted, body: str) -> None:
    assert_hello_is_logged(scripted_async, body)


@pytest.mark.parametrize(
    ("prefix", "body"),
    [
        ("", "pool.submit(print, 'hello').result()"),
        ("async ", "pool.submit(print, 'hello').result()"),
        ("async ", "await asyncio.get_running_loop().run_in_executor(pool, print, 'hello')"),
    ],
    ids=["sync", "async", "run_in_executor"],
)
def test_a_pool_that_is_older_than_the_prediction_prints_for_it(
    start_worker: StartWorker, prefix: str, body: str
) -> None:
    worker = start_worker(
        f"""
        import asyncio, concurrent.futures

        pool = concurrent.futures.ThreadPoolExecutor(1)
        pool.submit(int).result()

        class Runner:
            {prefix}def run(self): {body}
        """,
        slots=2 if prefix else 1,
    )
    assert worker.predict().result().logs == "hello\n"


def test_the_source_of_each_line_is_reported(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import sys

        def Runner():
            print("one"); print("two", file=sys.stderr); print("three", file=sys.stderr); print("four")
    """)
    messages = worker.predict().result().messages
    logs = [(each.source, each.data) for each in messages if isinstance(each, slot.Log)]
    of_source = [(source, "".join(text for _, text in each)) for source, each in groupby(logs, itemgetter(0))]
    assert of_source == [("stdout", "one\n"), ("stderr", "two\nthree\n"), ("stdout", "four\n")]


def test_text_without_newline_waits_for_its_line_or_a_flush_or_the_end(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import sys

        def Runner():
            print("a", end=""); print("A", end="", file=sys.stderr); print("b")
            print("c", end=""); print("d", end="", flush=True)
            print("\\r1/2\\r2/2", end="")
            print("e\\nf", end="")
    """)
    messages = worker.predict().result().messages
    logs = [(each.source, each.data) for each in messages if isinstance(each, slot.Log)]
    assert "".join(data for source, data in logs if source == "stdout") == "ab\ncd\r1/2\r2/2e\nf"
    assert logs[-1] == ("stderr", "A")


def test_an_unfinished_line_stays_with_its_prediction(start_worker: StartWorker) -> None:
    worker = start_worker("def Runner(text): print(text, end='')\n")
    assert [worker.predict(text=text).result().logs for text in ("secret", "plain")] == ["secret", "plain"]


def test_a_hundred_thousand_lines_come_in_order(start_worker: StartWorker) -> None:
    worker = start_worker("def Runner():\n    for n in range(100_000): print('line', n)\n")
    logs = worker.predict().result().logs
    assert logs == "".join(f"line {n}\n" for n in range(100_000))


def test_lines_of_many_threads_are_whole(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import threading

        def count(name):
            for n in range(2000): print(f"{name} {n}\\n", end="")

        def Runner():
            threads = [threading.Thread(target=count, args=[name]) for name in "abcdefgh"]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
    """)
    lines = worker.predict().result().logs.splitlines()
    for name in "abcdefgh":
        assert [line for line in lines if line.startswith(name)] == [f"{name} {n}" for n in range(2000)]
    assert len(lines) == 8 * 2000


def test_a_line_that_is_too_long_is_cut_with_a_notice(start_worker: StartWorker) -> None:
    worker = start_worker("def Runner():\n    print('before'); print('é' * 3_000_000); print('after')\n")
    logs = worker.predict().result().logs
    before, long, after = logs.partition("é" * 1_000_000)[0], logs, logs[-6:]
    assert (before, after) == ("before\n", "after\n")
    assert LOG_TRUNCATED_NOTICE + "after\n" in long
    assert MAX_LOG_BYTES - 2 < len(long.encode()) - len("before\nafter\n") <= MAX_LOG_BYTES


def test_a_line_of_any_characters_fits_its_message(start_worker: StartWorker) -> None:
    """In the JSON of the control channel a NUL takes six bytes."""
    worker = start_worker("""
        class Runner:
            def setup(self): print(chr(0) * 3_000_000 + chr(0xd800))
            def run(self): print(chr(0) * 3_000_000 + chr(0xd800))
    """)
    assert worker.predict().result().logs == worker.server_log == "\0" * 3_000_000 + "?\n"


# what outlives its prediction

LEAVES_A_THREAD = """
    import os, threading

    def later(path, go):
        go.wait()
        print("late")
        os.mkdir(path)

    go = threading.Event()

    class Runner:
        {prefix}def run(self, path, start):
            if start:
                threading.Thread(target=later, args=[path, go]).start()
            else:
                go.set()
                while not os.path.isdir(path): pass
"""


@pytest.mark.parametrize("prefix", ["", "async "], ids=["sync", "async"])
def test_a_thread_that_outlives_its_prediction_prints_to_the_server_log(
    start_worker: StartWorker, prefix: str
) -> None:
    worker = start_worker(LEAVES_A_THREAD.format(prefix=prefix))
    path = str(worker.folder / "printed")
    assert worker.predict(path=path, start=True).result().logs == ""
    assert worker.predict(path=path, start=False).result().logs == ""
    worker.wait_server_log("late\n")


def test_a_task_that_outlives_its_prediction_prints_to_the_server_log(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import asyncio

        class Runner:
            async def run(self, start):
                if start:
                    self.go = asyncio.Event()
                    self.task = asyncio.create_task(self.later())
                else:
                    self.go.set()
                    await self.task

            async def later(self):
                await self.go.wait()
                print("late")
    """)
    assert worker.predict(start=True).result().logs == ""
    assert worker.predict(start=False).result().logs == ""
    worker.wait_server_log("late\n")


STRAYS = """
    import queue, threading

    class Runner:
        def setup(self):
            self.texts = queue.Queue()
            threading.Thread(target=self.print_all, daemon=True).start()

        def print_all(self):
            while True:
                print(self.texts.get())
                self.texts.task_done()

        {prefix}def run(self, text):
            self.texts.put(text)
            self.texts.join()
"""


def test_a_thread_of_setup_prints_into_the_one_prediction_of_a_sync_model(start_worker: StartWorker) -> None:
    worker = start_worker(STRAYS.format(prefix=""))
    assert [worker.predict(text=text).result().logs for text in "ab"] == ["a\n", "b\n"]


def test_a_thread_of_setup_prints_to_the_server_log_of_an_async_model(start_worker: StartWorker) -> None:
    """It is unknown for which of several predictions it works."""
    worker = start_worker(STRAYS.format(prefix="async "), slots=2)
    assert worker.predict(text="a").result().logs == ""
    worker.wait_server_log("a\n")


def test_objects_that_print_when_they_are_collected_do_no_harm(start_worker: StartWorker) -> None:
    """The collector may run in the middle of another print, in the same thread."""
    worker = start_worker("""
        import gc

        class Noisy:
            def __init__(self): self.me = self
            def __del__(self): print("collected\\n", end="")

        def Runner():
            for n in range(5_000):
                gc.set_threshold(2 + n % 13)  # so that the collector runs at every possible place
                Noisy()
                print(f"line {n}\\n", end="")
    """)
    lines = worker.predict().result().logs.splitlines()
    assert [line for line in lines if line != "collected"] == [f"line {n}" for n in range(5_000)]
    assert lines.count("collected") > 2_000


HANDLERS = {
    "print": "print('tick\\n', end='')",
    "metric": "cog.current_scope().record_metric('tick', 1)",
}


@pytest.mark.parametrize("handler", HANDLERS.values(), ids=HANDLERS)
def test_signal_handlers_that_print_or_record_do_no_harm(start_worker: StartWorker, handler: str) -> None:
    """They may run at any point of the worker's own code."""
    worker = start_worker(f"""
        import signal
        import cog

        def Runner():
            signal.signal(signal.SIGALRM, lambda *_: {handler})
            signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
            for n in range(20_000):
                print(f"line {{n}}\\n", end="")
                cog.current_scope().record_metric("n", n)
            signal.setitimer(signal.ITIMER_REAL, 0)
    """)
    result = worker.predict().result()
    sent = [*result.logs.splitlines(), *(name for name, _, _ in result.metrics)]
    assert [line for line in sent if line not in ("tick", "n")] == [f"line {n}" for n in range(20_000)]
    assert [value for name, value, _ in result.metrics if name == "n"] == list(range(20_000))
    assert "tick" in sent
