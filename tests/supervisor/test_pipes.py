"""A pipe on the event loop is closed exactly once, whatever other threads open at the same time."""

import subprocess
import sys
from typing import Final

import pytest

CODE: Final = """
import asyncio, importlib, os, sys, threading
from coglet_supervisor.workers.pipes import connect_read_pipe, connect_write_pipe

is_over = threading.Event()
failures = []

def open_and_close():
    while not is_over.is_set():
        descriptor = os.open("/dev/null", os.O_RDONLY)
        try:
            os.fstat(descriptor)
            os.close(descriptor)
        except OSError as error:
            failures.append(error)

async def main():
    threads = [threading.Thread(target=open_and_close) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(2000):
        ours, theirs = os.pipe()
        closed = asyncio.Event()
        class Reader(asyncio.Protocol):
            def connection_lost(self, exc):
                closed.set()
        await connect_read_pipe(Reader, open(ours, "rb"))
        writer = await connect_write_pipe(open(theirs, "wb"))
        writer.close()
        await closed.wait()
    is_over.set()
    for thread in threads:
        thread.join()

sys.setswitchinterval(1e-6)  # other threads run between any two steps
loop = importlib.import_module(sys.argv[1]).new_event_loop()
loop.run_until_complete(main())
newest = os.open("/dev/null", os.O_RDONLY)  # the lowest number that is free
print(failures[:3], newest < 50)
"""


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_no_descriptor_of_another_thread_is_closed(loop: str) -> None:
    pytest.importorskip(loop)
    done = subprocess.run([sys.executable, "-c", CODE, loop], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[] True\n"), done.stderr[-2000:]
