"""Messages on stderr: of several threads, such as the model's log and the command, and a line of progress."""

import fcntl
import os
import pty
import struct
import sys
import termios
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


def test_a_status_is_removed_before_the_next_message(monkeypatch: pytest.MonkeyPatch) -> None:
    keyboard, screen = pty.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 20, 0, 0))
    with os.fdopen(screen, "w") as stderr, os.fdopen(keyboard, "rb", buffering=0) as shown:
        monkeypatch.setattr("sys.stderr", stderr)
        terminal = Terminal(color=False)
        terminal.status("a line that is longer than the terminal")
        terminal.status("two")
        terminal.log("a message")
        terminal.clear_status()
        wanted = b"a line that is long\r\x1b[2Ktwo\r\x1b[2Ka message\r\n"
        found = b""
        while len(found) < len(wanted):  # a terminal delivers what was written in any pieces
            found += shown.read(1000)
        assert found == wanted


def test_a_status_is_for_terminals_only(capfd: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(color=False)
    assert not terminal.shows_status
    terminal.status("one")
    terminal.clear_status()
    assert capfd.readouterr() == ("", "")
