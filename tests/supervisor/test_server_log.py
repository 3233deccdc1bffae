"""runtime.md 2.3 and 7.5: the records of the server log, and the logs of setup."""

import json
import logging
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from coglet_supervisor import server_log as server_logs
from coglet_supervisor.server_log import (
    LineWriter,
    ServerLog,
    format_console,
    format_console_in_color,
    format_json,
)
from coglet_supervisor.settings import LogLevel

FLUSH_S = 20.0


@dataclass
class Pipe:
    """A server log on a pipe, which the test reads."""

    read_end: int
    write_end: int
    writer: LineWriter = field(init=False)

    def __post_init__(self) -> None:
        self.writer = LineWriter(self.write_end)

    def log(self, level: LogLevel = "info") -> ServerLog:
        return ServerLog(self.writer, format_json, level)

    def records(self) -> list[dict[str, Any]]:
        """Return all records that were written; there must be at least one."""
        self.writer.flush(FLUSH_S)
        return [json.loads(line) for line in os.read(self.read_end, 1024 * 1024).splitlines()]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    read_end, write_end = os.pipe()
    yield Pipe(read_end, write_end)
    os.close(read_end)
    os.close(write_end)


def logger_of(log: ServerLog, name: str = "t") -> logging.Logger:
    """Return a logger that writes to `log` only."""
    logger = logging.Logger(name)
    logger.addHandler(log)
    return logger


def messages(pipe: Pipe) -> list[str]:
    return [record["fields"]["message"] for record in pipe.records()]


def test_json_is_one_object_a_line() -> None:
    line = format_json("T", "warning", "coglet", "two\nlines", {"prediction_id": "p"})
    assert line == (
        '{"timestamp":"T","level":"WARN","fields":{"message":"two\\nlines","prediction_id":"p"},"target":"coglet"}'
    )


def test_json_records_accept_values_that_are_not_json() -> None:
    assert json.loads(format_json("T", "info", "t", "\ud800", {"path": object}))["level"] == "INFO"


def test_console_records_are_readable() -> None:
    fields: dict[str, object] = {"source": "Stdout"}
    assert format_console("T", "info", "coglet", "hi", fields) == "T  INFO coglet: hi source=Stdout"
    colored = format_console_in_color("T", "error", "coglet", "hi", fields)
    assert re.sub(r"\x1b\[\d+m", "", colored) == "T ERROR coglet: hi source=Stdout"
    assert colored.count("\x1b[") == 4


def test_the_level_applies_to_our_records(pipe: Pipe) -> None:
    logger = logger_of(pipe.log("warning"))
    logger.debug("debug")
    logger.info("info")
    logger.warning("warning")
    logger.error("error")
    assert [record["level"] for record in pipe.records()] == ["WARN", "ERROR"]


def test_the_models_output_is_one_record_per_line_at_every_level(pipe: Pipe) -> None:
    pipe.log("error").output("coglet::setup", "one\ntwo\n")
    assert messages(pipe) == ["one", "two"]


def test_a_prediction_is_echoed_without_its_blank_lines(pipe: Pipe) -> None:
    log = pipe.log()
    log.echo("p", "stderr", "  one\n\n \ntwo\n")
    records = pipe.records()
    assert [record["fields"] for record in records] == [
        {"message": "one", "prediction_id": "p", "source": "Stderr"},
        {"message": "two", "prediction_id": "p", "source": "Stderr"},
    ]
    assert records[0]["target"] == "coglet::prediction"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", records[0]["timestamp"])


def test_a_prediction_is_not_echoed_above_info(pipe: Pipe) -> None:
    log = pipe.log("warning")
    log.echo("p", "stdout", "hidden")
    log.event("p", "hidden")
    logger_of(log).error("shown")
    assert messages(pipe) == ["shown"]


def test_the_logs_of_the_first_setup_begin_with_the_process(pipe: Pipe) -> None:
    log = pipe.log()
    logger = logger_of(log, "coglet_supervisor.main")
    logger.info("booting")
    first = log.collect()
    log.output("coglet::setup", "loading")
    assert log.end_collecting(first) == "[coglet] booting\n[coglet::setup] loading\n"
    logger.info("between")
    second = log.collect()
    log.output("coglet::setup", "again")
    assert log.end_collecting(second) == "[coglet::setup] again\n"


def read_until(pipe: Pipe, last: str) -> list[str]:
    """Return the messages up to `last`, which must arrive."""
    data = b""
    while last.encode() not in data:
        data += os.read(pipe.read_end, 65536)
    return [json.loads(line)["fields"]["message"] for line in data.splitlines()]


def test_every_line_is_written_or_counted_as_dropped(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_logs, "MAX_QUEUED_BYTES", 100_000)
    log = pipe.log()
    logger = logger_of(log)
    for _ in range(5000):  # far more than the pipe and the queue can hold
        logger.info("line")
    with ThreadPoolExecutor() as threads:
        reading = threads.submit(read_until, pipe, "the last")
        log.drain(FLUSH_S)
        logger.info("the last")
        said = reading.result(FLUSH_S)
    notice = re.compile(r"(\d+) log records dropped because stderr is not being read fast enough")
    dropped = sum(int(match[1]) for text in said if (match := notice.fullmatch(text)))
    assert dropped > 0
    assert said.count("line") + dropped == 5000


def test_a_closed_stderr_is_ignored() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    writer = LineWriter(write_end)
    log = ServerLog(writer, format_json, "info")
    log.event("p", "into the void")
    log.drain(FLUSH_S)
    log.event("p", "again")
    log.drain(FLUSH_S)
    os.close(write_end)


def test_logging_writes_to_the_server_log(pipe: Pipe) -> None:
    log = pipe.log("debug")
    ours = logger_of(log, "coglet_supervisor.predictions.slots")
    ours.warning("text %d", 1)
    ours.log(logging.INFO + 1, "from a worker", extra={"target": "coglet_worker"})
    logger_of(log, "httpx").critical("text")
    records = pipe.records()
    assert [(record["target"], record["level"]) for record in records] == [
        ("coglet", "WARN"),
        ("coglet_worker", "INFO"),
        ("httpx", "ERROR"),
    ]
    assert records[0]["fields"] == {"message": "text 1"}


def test_a_step_of_a_prediction_names_it(pipe: Pipe) -> None:
    pipe.log().event("p", "Prediction failed", error="boom")
    (record,) = pipe.records()
    assert (record["target"], record["level"]) == ("coglet::prediction", "INFO")
    assert record["fields"] == {"message": "Prediction failed", "prediction_id": "p", "error": "boom"}
