"""The worker's end of the control channel: a supervisor that reads late, or never, or has exited."""

import contextlib
import os
import threading
from collections.abc import Iterator

import pytest
from testing.waiting import wait_for
from tests.worker.parts import Parts

from coglet_protocol import control
from coglet_protocol.errors import ProtocolError
from coglet_protocol.limits import MAX_LOG_BYTES
from coglet_worker.backlog import BACKLOG_BYTES
from coglet_worker.cancelation import CancelationGate
from coglet_worker.control import ControlChannel


class Pipes:
    """A channel, and the supervisor's ends of its pipes."""

    def __init__(self, log_timeout_s: float) -> None:
        ours, self.writer = os.pipe()
        self.reader, theirs = os.pipe()
        self.channel = ControlChannel(ours, theirs, CancelationGate(), log_timeout_s=log_timeout_s)
        self._descriptors = {ours, theirs, self.reader, self.writer}
        self._lines = open(self.reader, "rb", closefd=False)

    def read_lines(self, count: int) -> list[control.FromWorker]:
        """Return `count` messages as soon as they have arrived."""
        return [control.decode_from_worker(self._lines.readline()) for _ in range(count)]

    def close(self, descriptor: int) -> None:
        self._descriptors.remove(descriptor)
        os.close(descriptor)

    def close_all(self) -> None:
        if self.reader in self._descriptors:
            self.close(self.reader)
        # Drop the backlog for that reader: its descriptor may soon belong to another test.
        self.channel.send_last(control.ShuttingDown())
        for descriptor in list(self._descriptors):
            self.close(descriptor)


@contextlib.contextmanager
def new_pipes(log_timeout_s: float) -> Iterator[Pipes]:
    pipes = Pipes(log_timeout_s)
    yield pipes
    pipes.close_all()


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    with new_pipes(log_timeout_s=10.0) as pipes:
        yield pipes


def log(text: str) -> control.Log:
    return control.Log(source="stdout", data=text)


def test_messages_of_the_supervisor_until_it_has_exited(parts: Parts) -> None:
    messages: list[control.ToWorker] = [control.Ping(id=1), control.Shutdown()]
    for message in messages:
        parts.send(message)
    assert [parts.control.receive(), parts.control.receive()] == messages


def test_the_end_of_the_pipe_is_the_end_of_the_messages(pipes: Pipes) -> None:
    os.write(pipes.writer, control.encode_line(control.Ping(id=1)))
    pipes.close(pipes.writer)
    assert list(pipes.channel) == [control.Ping(id=1)]
    assert pipes.channel.receive() is None


def test_an_invalid_message(pipes: Pipes) -> None:
    os.write(pipes.writer, b"hello\n")
    with pytest.raises(ProtocolError, match="unreadable control message b'hello"):
        pipes.channel.receive()


def test_messages_arrive_in_order(parts: Parts) -> None:
    messages: list[control.FromWorker] = [control.Pong(id=number) for number in range(5)]
    for message in messages:
        parts.control.send(message)
    assert parts.reported == messages


def test_a_large_log_is_split(pipes: Pipes) -> None:
    reading = threading.Thread(target=lambda: pieces.extend(pipes.read_lines(2)))
    pieces: list[control.FromWorker] = []
    reading.start()
    pipes.channel.write_log("stderr", "x" * (MAX_LOG_BYTES - 1) + "\nrest\n")
    reading.join()
    assert [len(piece.data) for piece in pieces if isinstance(piece, control.Log)] == [MAX_LOG_BYTES, 5]


def test_a_supervisor_that_reads_late_gets_everything(pipes: Pipes) -> None:
    text = "x" * 1000
    count = BACKLOG_BYTES // 2 // len(text)  # more than a pipe holds, less than would be dropped
    for _ in range(count):
        pipes.channel.send(log(text))  # does not block
    assert pipes.read_lines(count) == [log(text)] * count


def test_one_that_never_reads_costs_lines_of_logs_and_no_other_message() -> None:
    text = "x" * 100_000
    count = BACKLOG_BYTES // len(text) + 3
    messages: list[control.FromWorker] = []
    with new_pipes(log_timeout_s=0.01) as pipes:
        for _ in range(count):
            pipes.channel.send(log(text))
        pipes.channel.send(control.Pong(id=1))
        while control.Pong(id=1) not in messages:
            messages += pipes.read_lines(1)
    (dropped,) = (message for message in messages if isinstance(message, control.DroppedLogs))
    kept = sum(isinstance(message, control.Log) for message in messages)
    assert dropped.count >= 1
    assert kept + dropped.count == count


def test_the_last_message_comes_after_all_before_it(pipes: Pipes) -> None:
    text = "x" * 200_000
    pipes.channel.send(log(text))
    last = threading.Thread(target=pipes.channel.send_last, args=(control.ShuttingDown(),))
    last.start()
    assert pipes.read_lines(2) == [log(text), control.ShuttingDown()]
    last.join()


def test_a_supervisor_that_has_exited_is_not_an_error(pipes: Pipes) -> None:
    pipes.close(pipes.reader)
    for number in range(3):
        pipes.channel.send(control.Pong(id=number))
    pipes.channel.send_last(control.ShuttingDown())


def test_the_backlog_is_dropped_when_the_supervisor_exits(pipes: Pipes) -> None:
    pipes.channel.send(log("x" * 200_000))
    last = threading.Thread(target=pipes.channel.send_last, args=(control.ShuttingDown(),))
    last.start()
    pipes.close(pipes.reader)
    wait_for(lambda: not last.is_alive(), "end of the last message")
