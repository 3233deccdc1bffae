"""Runs the real `cog`, on a terminal or without one, and checks that it leaves no process behind."""

import fcntl
import os
import pty
import secrets
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from testing import processes
from testing.waiting import DEADLINE_S, wait_for

COG: Final = (sys.executable, "-m", "coglet_cli")
# Makes the terminal that the child has as stdin its controlling one, so that ^C becomes a signal.
_ON_TERMINAL: Final = (
    sys.executable,
    "-c",
    "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])",
)


class Cog:
    """One `cog` command that was started."""

    def __init__(self, process: "subprocess.Popen[bytes]", out: "Reader", err: "Reader") -> None:
        self.process = process
        self._out = out
        self._err = err

    @property
    def out(self) -> str:
        """What it has written to stdout so far; on a terminal, everything that the terminal received."""
        return self._out.text

    @property
    def err(self) -> str:
        """What it has written to stderr so far."""
        return self._err.text

    def wait_shown(self, text: str, *, within_s: float = DEADLINE_S) -> None:
        """Wait until `text` appears on stdout or stderr."""

        def shown() -> bool:
            return text in self.out + self.err

        try:
            wait_for(shown, f"{text!r}", deadline_s=within_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\nstdout: {self.out}\nstderr: {self.err}") from None

    def signal(self, number: int) -> None:
        """Send the signal to the command alone, not to its children."""
        self.process.send_signal(number)

    def wait_exit(self) -> int:
        """The exit code; all output has been read by then."""
        code = self.process.wait(DEADLINE_S)
        self._out.join()
        self._err.join()
        return code


class Reader:
    """Reads a stream to its end, on a thread of its own."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._chunks: list[bytes] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        return b"".join(self._chunks).decode(errors="replace")

    def join(self) -> None:
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive(), "something still holds the output of the command open"

    def _run(self) -> None:
        with self._stream:
            try:
                while chunk := os.read(self._stream.fileno(), 65536):
                    self._chunks.append(chunk)
            except OSError:
                return  # EIO: the other side of the terminal was closed


@contextmanager
def start_cog(project: Path, *arguments: str, variables: Mapping[str, str] | None = None) -> Iterator[Cog]:
    """`cog` in the folder `project`. Fails when the command leaves a process behind."""
    with _marked(variables) as environment:
        process = subprocess.Popen(
            [*COG, *arguments],
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        yield from _until_it_ends(Cog(process, Reader(process.stdout), Reader(process.stderr)))


@contextmanager
def start_cog_on_terminal(project: Path, *arguments: str) -> Iterator[tuple[Cog, int]]:
    """Like `start_cog`, on a terminal of 100 x 30 of its own; also yields the descriptor to type into."""
    keyboard, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    with _marked({"TERM": "xterm-256color"}) as environment:
        process = subprocess.Popen(
            [*_ON_TERMINAL, *COG, *arguments],
            cwd=project,
            env=environment,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        screen = Reader(os.fdopen(keyboard, "rb", buffering=0))
        for cog in _until_it_ends(Cog(process, screen, screen)):
            yield cog, keyboard


def run_cog(
    project: Path,
    *arguments: str,
    stdin: bytes = b"",
    variables: Mapping[str, str] | None = None,
    within_s: float = DEADLINE_S * 2,
) -> "subprocess.CompletedProcess[str]":
    """Runs `cog` to its end. Fails when it leaves a process behind."""
    with _marked(variables) as environment:
        result = subprocess.run(
            [*COG, *arguments],
            cwd=project,
            env=environment,
            input=stdin,
            capture_output=True,
            timeout=within_s,
            check=False,
        )
    return subprocess.CompletedProcess(
        result.args, result.returncode, result.stdout.decode(), result.stderr.decode()
    )


def _until_it_ends(cog: Cog) -> Iterator[Cog]:
    try:
        yield cog
    finally:
        if cog.process.poll() is None:
            cog.signal(signal.SIGTERM)
        cog.wait_exit()


@contextmanager
def _marked(variables: Mapping[str, str] | None) -> Iterator[dict[str, str]]:
    mark = secrets.token_hex(8)
    settings = ("LOG_FORMAT", "COG_LOG_LEVEL", "RUST_LOG", "NO_COLOR", "COLUMNS", "LINES")
    inherited = {name: value for name, value in os.environ.items() if name not in settings}
    try:
        yield {**inherited, **(variables or {}), processes.MARK: mark}
    finally:
        killed = processes.end_marked(mark)
    assert not killed, f"processes that outlived their command: {killed}"
