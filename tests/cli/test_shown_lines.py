"""The output of setup is shown before messages about the model that it has set up."""

import threading

from coglet_cli.server.log import ShownLines
from coglet_supervisor.server_log import format_console, format_json

REPORT = {"setup": {"logs": "[coglet::setup] loading\n[coglet] Server ready\n[coglet::setup] done\n"}}
FORMATS = (format_json, format_console)
LIMIT_S = 20.0


def line_of_setup(number: int, text: str) -> str:
    """Return a line as the server writes it, in one of its formats."""
    return FORMATS[number % 2]("2026-01-01T00:00:00Z", "info", "coglet::setup", text, {})


def test_a_report_that_overtakes_the_log_waits_for_it() -> None:
    shown: list[str] = []
    lines = ShownLines(shown.append)
    lines.show(line_of_setup(0, "loading"))
    lines.show("something else")
    waiting = threading.Thread(target=lines.wait_setup, args=(REPORT, LIMIT_S))
    waiting.start()
    assert waiting.is_alive()
    lines.show(line_of_setup(1, "done"))
    waiting.join(LIMIT_S)
    assert not waiting.is_alive()
    assert len(shown) == 3


def test_it_does_not_wait_for_lines_that_were_shown() -> None:
    lines = ShownLines(lambda _: None)
    for number in range(2):
        lines.show(line_of_setup(number, "line"))
    lines.wait_setup(REPORT, threading.TIMEOUT_MAX)


def test_it_does_not_wait_without_a_setup_in_the_report() -> None:
    for report in ({}, {"setup": None}, {"setup": {"logs": None}}):
        ShownLines(lambda _: None).wait_setup(report, threading.TIMEOUT_MAX)


def test_it_stops_waiting_at_the_time_limit() -> None:
    ShownLines(lambda _: None).wait_setup(REPORT, 0.01)
