"""Output that bypasses Python's streams: child processes, C libraries, forks (runtime.md 7.1)."""

import os

import pytest
from integration.worker.conftest import StartWorker
from integration.worker.scripted import Scripted

from coglet_protocol import slot

WRITERS = {
    "os.write": "os.write(1, b'hello\\n')",
    "os.system": "os.system('echo hello')",
    "subprocess": "subprocess.run(['echo', 'hello'])",
    "grandchild": "os.system('(echo hello)& wait')",
    "unfinished": "os.system('printf hello')",
    "buffer": "sys.stdout.buffer.write(b'hello\\n'); sys.stdout.flush()",
    "buffer, not flushed": "sys.stdout.buffer.write(b'hello\\n')",
    "original stream": "print('hello', file=sys.__stdout__)",
    "descriptor of the stream": "os.write(sys.stdout.fileno(), b'hello\\n')",
    "C library": "libc.puts(b'hello'); libc.fflush(None)",
    "fork": "fork(print, 'hello')",
    "logger of a fork": "fork(logging.error, 'hello')",
    "fork that exits": "fork(sys.exit, print('hello', end=''))",
    "multiprocessing fork": "run_process('fork')",
    "multiprocessing spawn": "run_process('spawn')",
}
PREAMBLE = """
    import ctypes, logging, multiprocessing, os, subprocess, sys

    logging.basicConfig(format="%(message)s")
    libc = ctypes.CDLL(None)

    def run_process(method):
        process = multiprocessing.get_context(method).Process(target=print, args=["hello"])
        process.start()
        process.join()

    def fork(function, *arguments):
        child = os.fork()
        if not child:
            function(*arguments)
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(child, 0)
"""


@pytest.mark.parametrize("body", WRITERS.values(), ids=WRITERS)
def test_it_is_in_the_logs_of_the_only_prediction(scripted: Scripted, body: str) -> None:
    result = scripted.start(body, PREAMBLE).result()
    assert isinstance(result.terminal, slot.Done)
    assert result.logs.strip() == "hello"
    assert scripted.worker.server_log == ""


def test_stderr_of_a_child_is_distinguished(start_worker: StartWorker) -> None:
    worker = start_worker("import os\ndef Runner(): os.system('echo hello >&2')\n")
    logs = [each for each in worker.predict().result().messages if isinstance(each, slot.Log)]
    assert [(each.source, each.data) for each in logs] == [("stderr", "hello\n")]


def test_bytes_that_are_not_text_are_replaced_and_characters_are_never_cut(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import os

        def Runner():
            for byte in bytes([255]) + "é漢😀".encode(): os.write(1, bytes([byte]))
    """)
    assert worker.predict().result().logs == "\ufffdé漢😀"


def test_a_megabyte_of_a_child_is_complete_before_the_end(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import subprocess, sys

        def Runner():
            subprocess.run([sys.executable, "-c", "for n in range(100_000): print('line', n)"])
    """)
    assert worker.predict().result().logs == "".join(f"line {n}\n" for n in range(100_000))


def test_a_line_of_a_child_does_not_end_up_inside_one_of_the_model(start_worker: StartWorker) -> None:
    worker = start_worker(
        "import os\ndef Runner(): print('a', end=''); os.system('echo child'); print('b')\n"
    )
    assert sorted(worker.predict().result().logs.splitlines()) == ["ab", "child"]


def test_a_child_that_never_stops_writing_does_not_delay_the_end(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import subprocess

        class Runner:
            def run(self, start):
                if start: self.child = subprocess.Popen(["yes"])
                else: self.child.kill(); self.child.wait()
    """)
    assert set(worker.predict(start=True).result().logs.split()) <= {"y"}
    assert isinstance(worker.predict(start=False).result().terminal, slot.Done)


def test_with_two_predictions_the_owner_of_a_child_is_unknown(start_worker: StartWorker) -> None:
    worker = start_worker(
        """
        import asyncio, os

        class Runner:
            def setup(self): self.go = asyncio.Event()

            async def run(self, wait):
                if wait:
                    print("waiting")
                    await self.go.wait()
                else:
                    os.system("echo whose")
                    self.go.set()
        """,
        slots=2,
    )
    waiting = worker.predict(wait=True)
    waiting.wait_log("waiting\n")
    assert worker.predict(on=1, wait=False).result().logs == ""
    worker.wait_server_log("whose\n")
    assert waiting.result().logs == "waiting\n"


def test_a_forked_child_that_leaves_run_ends_and_sends_nothing_to_the_supervisor(
    start_worker: StartWorker,
) -> None:
    worker = start_worker("""
        import os, sys

        def Runner(way):
            child = os.fork()
            if not child:
                if way == "return": return "from the child"
                if way == "raise": raise ValueError("from the child")
                sys.exit(7)
            return os.waitpid(child, 0)[1] >> 8
    """)
    exits = [worker.predict(way=way).result().output for way in ("return", "raise", "sys.exit")]
    assert exits == [0, 1, 7]
    assert worker.predict(way="sys.exit").result().output == 7


HELD = """
    import os

    for descriptor in os.listdir("/proc/self/fd"):
        try: print(os.readlink(f"/proc/self/fd/{descriptor}"), flush=True)
        except FileNotFoundError: continue  # the listing itself
"""


def test_a_child_holds_no_channel_of_ours(start_worker: StartWorker) -> None:
    """A supervisor waits for EOF on a channel; a child that held it open would hide the worker's death."""
    worker = start_worker(
        """
        import os, subprocess, sys

        def Runner(way):
            if way == "exec":
                subprocess.run([sys.executable, "held.py"], close_fds=False, check=True)
            else:
                if not os.fork():
                    import held
                    sys.exit()
                os.wait()
        """,
        files={"held.py": HELD},
    )
    channels = (worker.process.stdin, worker.process.stdout)
    pipes = {f"pipe:[{os.fstat(each.fileno()).st_ino}]" for each in channels if each is not None}
    for way in ("exec", "fork"):
        held = set(worker.predict(way=way).result().logs.split())
        assert "/dev/null" in held
        assert not {link for link in held if link in pipes or link.startswith("socket")}
