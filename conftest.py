"""What every test run needs: signals that arrive, and an end that tells what scripts/test could not offer."""

import os
import signal

import pytest


def pytest_configure() -> None:
    # Tests send these to what they start. Under `nohup`, or in the background of a script, they are ignored,
    # and that is inherited.
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if missing := os.environ.get("PYCOGLET_NOT_RUN"):
        terminalreporter.section("cannot run here", yellow=True, bold=True)
        terminalreporter.line(missing, yellow=True)
