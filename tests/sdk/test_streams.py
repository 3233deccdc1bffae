"""The text streams that stand in for stdout and stderr in a worker."""

import contextlib
import io
import os
import sys
from pathlib import Path

import pytest
from tests.sdk.bare_python import BarePython

from cog.suppress_output import suppress_output
from coglet._sdk import _SlotLogWriter, _TeeWriter


@pytest.fixture
def log() -> list[str]:
    return []


class Writer(_SlotLogWriter):
    """The stream as a worker subclasses it, with a list as the log."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    def write(self, text: str) -> int:
        self.log.append(text)
        return len(text)

    def flush(self) -> None:
        self.log.append("<flush>")


@pytest.fixture
def writer(log: list[str]) -> Writer:
    return Writer(log)


def test_print_goes_to_the_log(writer: Writer, log: list[str]) -> None:
    print("a", 1, file=writer, flush=True)
    writer.writelines(["x\n", "y"])
    assert "".join(log) == "a 1\n<flush>x\ny"


def test_a_log_writer_is_a_text_stream(writer: Writer) -> None:
    assert isinstance(writer, io.TextIOBase)
    assert (writer.writable(), writer.readable(), writer.seekable(), writer.isatty()) == (
        True,
        False,
        False,
        False,
    )
    assert (writer.encoding, writer.errors, writer.newlines) == ("utf-8", "replace", None)
    assert (writer.mode, writer.line_buffering) == ("w", True)
    writer.reconfigure(line_buffering=True, encoding="utf-8")


def test_only_the_worker_makes_a_log_writer() -> None:
    with pytest.raises(TypeError, match="the worker makes one a stream"):
        _SlotLogWriter()


def test_closing_silences_nothing(writer: Writer, log: list[str]) -> None:
    with writer:
        pass
    assert writer.closed
    writer.write("still here")
    writer.writelines(["!"])
    assert log[-2:] == ["still here", "!"]


@pytest.mark.parametrize("value", [b"bytes", 5, None])
def test_only_text_is_written(value: object) -> None:
    tee = _TeeWriter(io.StringIO(), io.StringIO(), "stdout")
    with pytest.raises(TypeError, match=f"must be str, not {type(value).__name__}"):
        tee.write(value)  # type: ignore[arg-type]


def test_a_tee_writes_to_both() -> None:
    log, users = io.StringIO(), io.StringIO()
    tee = _TeeWriter(inner=log, user_stream=users, name="stdout")
    print("hello", file=tee)
    tee.writelines(["a", "b"])
    assert log.getvalue() == users.getvalue() == "hello\nab"
    assert (tee.inner, tee.user_stream, tee.name) == (log, users, "stdout")


def test_a_tee_is_the_users_stream_in_everything_but_writing() -> None:
    users = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    tee = _TeeWriter(io.StringIO(), users, "stderr")
    assert tee.encoding == "latin-1"
    assert tee.errors == "strict"
    assert tee.buffer is users.buffer
    text = _TeeWriter(io.StringIO(), io.StringIO("text"), "stdout")
    assert (text.getvalue(), text.seek(1), text.read()) == ("text", 1, "ext")
    with pytest.raises(io.UnsupportedOperation):
        tee.fileno()
    with pytest.raises(AttributeError):
        _ = tee.no_such_attribute


def test_a_tee_needs_no_more_of_the_users_stream_than_write() -> None:
    class Progress:
        text = ""

        def write(self, text: str) -> None:
            self.text += text

    users = Progress()
    tee = _TeeWriter(io.StringIO(), users, "stdout")  # type: ignore[arg-type]  # what models do
    print("50 %", file=tee, flush=True)
    assert users.text == "50 %\n"
    assert (tee.isatty(), tee.encoding, tee.errors) == (False, "utf-8", None)


def test_flushing_a_tee_flushes_both(log: list[str], writer: Writer) -> None:
    users = io.TextIOWrapper(io.BytesIO())
    tee = _TeeWriter(writer, users, "stdout")
    tee.write("x")
    assert users.buffer.getvalue() == b""
    tee.flush()
    assert users.buffer.getvalue() == b"x"
    assert log == ["x", "<flush>"]


def test_closing_a_tee_closes_the_users_stream_and_not_the_log() -> None:
    log, users = io.StringIO(), io.StringIO()
    tee = _TeeWriter(log, users, "stdout")
    tee.close()
    assert (tee.closed, log.closed, users.closed) == (True, False, True)


def test_the_log_has_what_the_users_stream_refuses() -> None:
    log, users = io.StringIO(), io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    tee = _TeeWriter(log, users, "stdout")
    with pytest.raises(UnicodeEncodeError):
        tee.write("é")
    assert log.getvalue() == "é"


def test_streams_can_be_redirected_to(writer: Writer, log: list[str]) -> None:
    with contextlib.redirect_stdout(writer):
        print("inside")
    assert sys.stdout is not writer
    assert "".join(log) == "inside\n"


def test_suppress_output_silences_the_descriptors_and_what_is_buffered(bare_python: BarePython) -> None:
    code = """
import os
from cog.suppress_output import suppress_output
print("before")
with suppress_output():
    print("hidden")
    os.write(1, b"hidden")
    os.write(2, b"hidden")
    os.system("echo hidden")
print("after")
"""
    done = bare_python.run("-c", code)
    assert (done.stdout, done.stderr) == ("before\nafter\n", "")


def test_suppress_output_gives_the_descriptors_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(ZeroDivisionError), suppress_output():
        raise ZeroDivisionError
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
    assert len(list(Path("/proc/self/fd").iterdir())) == before
