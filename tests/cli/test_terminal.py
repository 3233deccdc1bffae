"""Messages of several threads, such as the model's log beside what the command says."""

import sys
import threading

import pytest

from coglet_cli.terminal import Terminal

LINES = 2000


def test_each_message_of_several_threads_is_whole(capfd: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(color=False)

    def write(name: str) -> None:
        for number in range(LINES):
            terminal.log(f"{name} {number}")

    threads = [threading.Thread(target=write, args=(name,)) for name in ("model", "command")]
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval_s)
    lines = capfd.readouterr().err.splitlines()
    assert sorted(lines) == sorted(f"{name} {n}" for name in ("model", "command") for n in range(LINES))
