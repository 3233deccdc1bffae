"""Lines of many children at once, each written in one call: none is split by another's."""

from collections import Counter

import pytest
from integration.worker.conftest import StartWorker

MODEL = """
    import logging, multiprocessing, os, subprocess, sys

    logging.basicConfig(format="%(message)s", stream=sys.stdout)

    def line(child, round, size): return f"<{child} {round} " + "x" * size + ">"

    WAYS = {
        "print": print,
        "print in pieces": lambda text: print("<", text[1:-1], ">", sep=""),
        "write": lambda text: sys.stdout.write(text + "\\n"),
        "bytes": lambda text: sys.stdout.buffer.write(text.encode() + b"\\n"),
        "logging": logging.error,
        "descriptor": lambda text: os.write(1, text.encode() + b"\\n"),
    }

    def write_lines(way, child, rounds, sizes):
        for round in range(rounds):
            for size in sizes: WAYS[way](line(child, round, size))
        sys.stdout.flush()

    def forked(*arguments):
        child = os.fork()
        if not child:
            write_lines(*arguments)
            os._exit(0)
        return lambda: os.waitpid(child, 0)

    def multiprocessed(*arguments):
        process = multiprocessing.get_context("fork").Process(target=write_lines, args=arguments)
        process.start()
        return process.join

    def program(way, *arguments):
        code = f"import predict; predict.write_lines('descriptor', *{arguments})"
        return subprocess.Popen([sys.executable, "-c", code]).wait

    def Runner(starts: list, ways: list, rounds: int, sizes: list):
        cases = [(start, way) for start in starts for way in ways]
        waits = [
            globals()[start](way, child, rounds, sizes)
            for child in range(20)
            for start, way in [cases[child % len(cases)]]
        ]
        for wait in waits: wait()
"""
PYTHON = ["print", "print in pieces", "write", "bytes", "logging"]
CASES = {
    # starts, ways, sizes of the lines, rounds
    "of Python, of any length": (["forked", "multiprocessed"], PYTHON, (10, 4000, 9000), 40),
    "of any child, up to an atomic write": (
        ["forked", "multiprocessed", "program"],
        [*PYTHON, "descriptor"],
        (10, 4000),
        40,
    ),
    "of any child, as long as there is room": (["forked", "program"], ["descriptor"], (9000,), 4),
}


@pytest.mark.parametrize(("starts", "ways", "sizes", "rounds"), CASES.values(), ids=CASES)
def test_each_line_of_twenty_children_is_whole(
    start_worker: StartWorker, starts: list[str], ways: list[str], sizes: tuple[int, ...], rounds: int
) -> None:
    worker = start_worker(MODEL)
    lines = [f"<{child} {n} {'x' * size}>" for child in range(20) for n in range(rounds) for size in sizes]
    for _ in range(2):
        logs = worker.predict(starts=starts, ways=ways, rounds=rounds, sizes=sizes).result().logs
        torn = Counter(logs.splitlines()) - Counter(lines)
        assert not torn, f"{len(torn)} lines, as {min(torn)[:100]!r}"
        assert logs.count("\n") == len(lines)


def test_an_unfinished_line_of_a_child_that_leaves_run_is_kept(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import os

        def Runner():
            if os.fork(): os.wait()
            else: print("unfinished", end="")
    """)
    assert worker.predict().result().logs == "unfinished"


def test_a_child_of_a_child_keeps_its_descriptors(start_worker: StartWorker) -> None:
    """The numbers of the worker's descriptors are free in the first child, which may reuse them."""
    worker = start_worker("""
        import os

        def in_child(work):
            child = os.fork()
            if child: return os.waitpid(child, 0)[1] >> 8
            try: os._exit(work())
            finally: os._exit(99)

        def first():
            opened = [os.dup(0) for _ in range(400)]
            return in_child(lambda: sum(1 for each in opened if not is_open(each)))

        def is_open(descriptor):
            try: os.fstat(descriptor)
            except OSError: return False
            return True

        def Runner(): return in_child(first)
    """)
    result = worker.predict().result()
    assert result.output == 0
    assert result.logs == ""
