"""Setup of every test run: the order of tests, default signal handlers, and a summary of what was not run."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

# No deadline per example: the machine may be busy.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

_LONGEST_FIRST = ["docker", "chaos", "fuzz"]


def pytest_configure() -> None:
    # Tests send these signals to child processes, which inherit that they are ignored, as under `nohup`
    # or in the background of a script.
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest tests first, so that all processes have work until the end."""
    items.sort(key=lambda item: _rank(item.path))


def _rank(path: Path) -> int:
    folder = path.parent.name
    return _LONGEST_FIRST.index(folder) if folder in _LONGEST_FIRST else len(_LONGEST_FIRST)


class _ByFile(LoadScopeScheduling):  # type: ignore[misc] # the library has no types
    """Keeps tests that share fixtures in one process: those of a file, and all that need Docker."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "docker" if file.startswith("integration/docker/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    return _ByFile(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if missing := os.environ.get("PYCOGLET_NOT_RUN"):
        terminalreporter.section("cannot run here", yellow=True, bold=True)
        terminalreporter.line(missing, yellow=True)
