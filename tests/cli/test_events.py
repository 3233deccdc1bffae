"""Server-sent events and log lines from a model server."""

import json

import pytest

from coglet_cli.server.events import EventParser, ServerEvent
from coglet_cli.server.log import Level, LogView, Record, parse_record
from coglet_cli.terminal import Terminal


def events(*lines: str) -> list[ServerEvent]:
    parser = EventParser()
    return [event for line in lines if (event := parser.feed(line)) is not None]


def test_events_end_at_blank_lines() -> None:
    assert events("event: output", 'data: {"chunk":"a"}', "", "event:done", "data:1", "") == [
        ServerEvent("output", {"chunk": "a"}),
        ServerEvent("done", 1),
    ]


def test_comments_and_unknown_fields_are_skipped() -> None:
    assert events(": keep-alive", "", "id: 7", "event: x", "retry: 3", "data: null", "") == [
        ServerEvent("x", None)
    ]


def test_data_on_several_lines_is_one_text() -> None:
    assert events("event: x", "data: [1,", "data: 2]", "") == [ServerEvent("x", [1, 2])]


def test_an_incomplete_event_is_dropped() -> None:
    assert events("event: x", "data: 1") == []


def line(target: str, message: str, level: str = "INFO", **fields: str) -> str:
    return json.dumps({"level": level, "fields": {"message": message, **fields}, "target": target})


def test_a_record() -> None:
    assert parse_record(line("coglet", "hi", "WARN")) == Record(Level.WARN, "coglet", "hi")


@pytest.mark.parametrize("text", ["", "Traceback", "{}", "3", '{"level":"LOUD","fields":{},"target":""}'])
def test_lines_that_are_not_records(text: str) -> None:
    assert parse_record(text) is None


@pytest.mark.parametrize(
    ("environ", "debug", "text", "shown"),
    [
        # The model's own lines are shown unchanged.
        ({}, False, line("coglet::setup", "loading"), "loading\n"),
        ({}, False, line("coglet::user", "a thread"), "a thread\n"),
        ({}, False, line("coglet::prediction", "step 1", source="Stdout"), "step 1\n"),
        # Of our records about the prediction, the traceback is shown, the rest is not.
        ({}, False, line("coglet::prediction", "ValueError: x", "ERROR"), "ValueError: x\n"),
        ({}, False, line("coglet::prediction", "Starting prediction"), ""),
        ({}, True, line("coglet::prediction", "Starting prediction"), "Starting prediction\n"),
        # Lines that are not records were written by another program.
        ({}, False, "Segmentation fault", "Segmentation fault\n"),
        # The server's records are shown from the level on.
        ({}, False, line("coglet", "Server ready"), ""),
        ({}, False, line("coglet", "no schema", "WARN"), "warning: coglet: no schema\n"),
        ({}, False, line("coglet", "worker died", "ERROR"), "warning: coglet: worker died\n"),
        ({}, True, line("coglet", "spawning", "DEBUG"), "coglet: spawning\n"),
        ({"COG_LOG_LEVEL": "info"}, False, line("coglet", "Server ready"), "coglet: Server ready\n"),
        ({"COG_LOG_LEVEL": "ERROR"}, False, line("coglet", "no schema", "WARN"), ""),
        # With LOG_FORMAT, lines are shown unchanged.
        ({"LOG_FORMAT": "console"}, False, line("coglet", "x"), line("coglet", "x") + "\n"),
    ],
)
def test_what_is_shown_of_the_log(
    capsys: pytest.CaptureFixture[str], environ: dict[str, str], debug: bool, text: str, shown: str
) -> None:
    LogView.choose(environ, debug=debug).show(text, Terminal(color=False, debug=debug))
    assert capsys.readouterr().err == shown


@pytest.mark.parametrize(
    ("environ", "debug", "variables"),
    [
        ({}, False, {"LOG_FORMAT": "json", "COG_LOG_LEVEL": "info"}),
        ({}, True, {"LOG_FORMAT": "json", "COG_LOG_LEVEL": "debug"}),
        ({"COG_LOG_LEVEL": "error"}, False, {"LOG_FORMAT": "json", "COG_LOG_LEVEL": "error"}),
        ({"LOG_FORMAT": "console"}, False, {"COG_LOG_LEVEL": "warn"}),
    ],
)
def test_the_server_writes_what_is_shown(
    environ: dict[str, str], debug: bool, variables: dict[str, str]
) -> None:
    assert LogView.choose(environ, debug=debug).variables == variables
