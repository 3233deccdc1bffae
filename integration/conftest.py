"""Selects the installation under test, and provides servers.

`pytest integration --server PYTHON` tests what is installed in another environment. Tests of what only
pycoglet promises carry `@pytest.mark.ours("<where it is decided>")` and are skipped there.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import pytest
from testing.installation import Installation
from testing.model import Model
from testing.ports import reserved_port
from testing.server import Launch, Server
from testing.server import serve as serve_model

_INSTALLATION = pytest.StashKey[Installation]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--server",
        metavar="PYTHON",
        type=Path,
        default=Path(sys.executable),
        help="interpreter whose prediction server the integration tests run against (default: this one)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_INSTALLATION] = Installation.at(config.getoption("--server"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.stash[_INSTALLATION].is_ours:
        return
    for item in items:
        for mark in item.iter_markers("ours"):
            item.add_marker(pytest.mark.skip(reason=mark.args[0]))


class Serve(Protocol):
    """Starts a server with a model (`models/<name>.py`, or one made by the test); see `Launch`."""

    def __call__(
        self,
        model: str | Model,
        *,
        variables: Mapping[str, str] = ...,
        flags: Sequence[str] = ...,
        entry: Sequence[str] = ...,
        host: str | None = ...,
        until: str | None = ...,
    ) -> AbstractContextManager[Server]: ...


@pytest.fixture(scope="session")
def installation(pytestconfig: pytest.Config) -> Installation:
    """The installation under test."""
    return pytestconfig.stash[_INSTALLATION]


@pytest.fixture(scope="session")
def serve(installation: Installation) -> Serve:
    """Serves a model within a `with` block."""

    def start(model: str | Model, **launch: Any) -> AbstractContextManager[Server]:
        found = Model.named(model) if isinstance(model, str) else model
        return serve_model(installation, found, Launch(**launch))

    return start


@pytest.fixture
def port() -> Iterator[int]:
    """A port for what the test starts."""
    with reserved_port() as port:
        yield port
