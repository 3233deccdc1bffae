"""What every test run needs: time, signals that arrive, and an end that tells what was not offered."""

import os
import signal

import pytest
from hypothesis import settings

# No deadline an example: the machine that runs the tests may be busy.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


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
