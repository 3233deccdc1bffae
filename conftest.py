"""Repeats at the end of a test run what scripts/test could not offer to it."""

import os

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if missing := os.environ.get("PYCOGLET_NOT_RUN"):
        terminalreporter.section("cannot run here", yellow=True, bold=True)
        terminalreporter.line(missing, yellow=True)
