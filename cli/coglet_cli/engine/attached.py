"""A container attached to this command's stdin, stdout and stderr."""

import os
import signal
import socket
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, BinaryIO, Final

from docker.errors import DockerException
from docker.models.containers import Container

from coglet_cli.engine.client import Engine
from coglet_cli.engine.container import (
    ContainerPlan,
    create_container,
    remove_container,
    start_created,
    without_gpu,
)
from coglet_cli.engine.errors import MissingDriver
from coglet_cli.terminal import Terminal

_CHUNK_BYTES: Final = 64 * 1024


def run_attached(engine: Engine, plan: ContainerPlan, terminal: Terminal) -> int:
    """Run a container to its end, remove it and return its exit code. Raises ContainerRefused."""
    container = create_container(engine, plan)
    try:
        # Attach before the start, so that no output is lost.
        output = _attach(container, has_terminal=plan.has_terminal)
        keyboard = container.attach_socket(params={"stdin": 1, "stream": 1})
        start_created(container)
        with _raw_keyboard(container) if plan.has_terminal else nullcontext():
            threading.Thread(target=_send_input, args=(keyboard,), daemon=True).start()
            for out, err in output:
                _write(sys.stdout.buffer, out)
                _write(sys.stderr.buffer, err)
            return int(container.wait(timeout=None)["StatusCode"])
    except MissingDriver:
        if not plan.are_gpus_optional:
            raise
        return run_attached(engine, without_gpu(plan, terminal), terminal)
    finally:
        remove_container(container)


def _attach(container: Container, *, has_terminal: bool) -> Iterator[tuple[bytes | None, bytes | None]]:
    """Return pieces of stdout and stderr; with a terminal both are in the first stream."""
    if not has_terminal:
        return container.attach(stream=True, demux=True)
    return ((piece, None) for piece in container.attach(stream=True))


def _write(stream: BinaryIO, data: bytes | None) -> None:
    if data:
        stream.write(data)
        stream.flush()


def _send_input(keyboard: Any) -> None:
    # The SDK returns a file object around the socket; only the socket can be half-closed to send EOF.
    connection: socket.socket = getattr(keyboard, "_sock", keyboard)
    with suppress(OSError):
        while chunk := os.read(sys.stdin.fileno(), _CHUNK_BYTES):
            connection.sendall(chunk)
        connection.shutdown(socket.SHUT_WR)


@contextmanager
def _raw_keyboard(container: Container) -> Iterator[None]:
    """Send every key to the container, including Ctrl-C; keep its terminal at the size of ours."""
    descriptor = sys.stdin.fileno()

    def resize(*_: object) -> None:
        # Not shutil's function, which prefers COLUMNS and LINES from the environment.
        size = os.get_terminal_size(descriptor)
        with suppress(DockerException):
            container.resize(height=size.lines, width=size.columns)

    before = termios.tcgetattr(descriptor)
    previous = signal.signal(signal.SIGWINCH, resize)
    tty.setraw(descriptor)
    try:
        resize()
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, previous)
