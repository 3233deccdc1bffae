"""What every test run needs: order, signals that arrive, and an end that says what was not run."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

# No deadline an example: the machine that runs the tests may be busy.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

_LONGEST_FIRST = ["docker", "chaos", "fuzz"]


def pytest_configure() -> None:
    # Tests send these to what they start. Under `nohup`, or in the background of a script, they are ignored,
    # and that is inherited.
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, so that all processes have work until the end."""
    items.sort(key=lambda item: _rank(item.path))


def _rank(path: Path) -> int:
    folder = path.parent.name
    return _LONGEST_FIRST.index(folder) if folder in _LONGEST_FIRST else len(_LONGEST_FIRST)


class _ByFile(LoadScopeScheduling):  # type: ignore[misc] # the library has no types
    """Keeps together what shares fixtures: the tests of a file, and all that need the Docker Engine."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "docker" if file.startswith("integration/docker/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    return _ByFile(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if missing := os.environ.get("PYCOGLET_NOT_RUN"):
        terminalreporter.section("cannot run here", yellow=True, bold=True)
        terminalreporter.line(missing, yellow=True)
