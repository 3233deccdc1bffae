"""Messages that wait for a supervisor that does not read: in order, bounded; dropped logs are counted."""

from collections.abc import Iterator

from coglet_protocol import control
from coglet_worker.backlog import Backlog


def log(text: str) -> control.Log:
    return control.Log(source="stdout", data=text)


def written(backlog: Backlog, most_bytes: int = 7) -> Iterator[control.FromWorker]:
    """All that comes out, in pieces."""
    text = bytearray()
    while backlog:
        piece = bytes(backlog.front(most_bytes))
        assert 0 < len(piece) <= most_bytes
        text += piece
        backlog.written(len(piece))
    for line in text.splitlines():
        yield control.decode_from_worker(bytes(line))


def test_nothing_is_lost_below_the_limit() -> None:
    backlog = Backlog(limit_bytes=10_000)
    messages: list[control.FromWorker] = [log(f"{n}\n") for n in range(20)]
    messages += [control.Idle(slot="s"), log("last")]
    for message in messages:
        backlog.add(message)
    assert list(written(backlog)) == messages
    assert not backlog


def test_lines_above_the_limit_are_counted_and_reported_in_their_place() -> None:
    now = 10.0
    backlog = Backlog(limit_bytes=50, clock=lambda: now)
    backlog.add(log("x" * 50))
    assert backlog.is_full
    backlog.add(log("1\n2\n3"))
    now = 10.25
    backlog.add(control.WorkerLog(target="t", level="info", message="4"))
    backlog.add(log("unfinished"))
    backlog.add(control.Failed(slot="s", error="e"))
    backlog.add(log("5\n"))
    now = 11.0
    assert list(written(backlog)) == [
        log("x" * 50),
        control.DroppedLogs(count=4, interval_millis=250),
        control.Failed(slot="s", error="e"),
        control.DroppedLogs(count=1, interval_millis=750),
    ]


def test_there_is_room_again_when_the_supervisor_has_read() -> None:
    backlog = Backlog(limit_bytes=50)
    backlog.add(log("x" * 50))
    backlog.add(log("dropped\n"))
    line = len(bytes(backlog.front(1000)))
    backlog.written(line)
    assert not backlog.is_full
    backlog.add(log("kept\n"))
    dropped, kept = written(backlog)
    assert isinstance(dropped, control.DroppedLogs)
    assert kept == log("kept\n")


def test_what_waits_already_is_not_repeated() -> None:
    backlog = Backlog()
    for _ in range(1000):
        backlog.add(control.Cancelled(slot="s"))
        backlog.add(control.Idle(slot="s"))
        backlog.add(control.Idle(slot="t"))
    assert list(written(backlog)) == [
        control.Cancelled(slot="s"),
        control.Idle(slot="s"),
        control.Idle(slot="t"),
    ]


def test_equal_lines_of_logs_are_all_kept() -> None:
    backlog = Backlog()
    of_a_traceback = control.WorkerLog(target="t", level="error", message="same")
    for _ in range(3):
        backlog.add(log("same\n"))
        backlog.add(of_a_traceback)
    assert list(written(backlog)) == [log("same\n"), of_a_traceback] * 3


def test_cleared_messages_are_dropped() -> None:
    backlog = Backlog(limit_bytes=1)
    for _ in range(3):
        backlog.add(log("x"))
    backlog.clear()
    assert not backlog
    assert not backlog.is_full
