"""Workers for the tests, under each interpreter that scripts/test has prepared."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Protocol

import pytest
from integration.worker.scripted import ASYNC, SYNC, Scripted
from testing.worker import Launch, Worker, spawn

_INTERPRETERS: Final = "PYCOGLET_WORKER_PYTHONS"
"""Colon-separated interpreters with the core of pycoglet; default: the one that runs pytest."""


class StartWorker(Protocol):
    """Starts a worker with a model of the given source; see `Launch`. It is stopped after the test."""

    def __call__(
        self,
        source: str,
        *,
        ref: str = ...,
        slots: int = ...,
        is_train: bool = ...,
        version: int = ...,
        variables: Mapping[str, str] = ...,
        files: Mapping[str, str] = ...,
        first_words: bytes = ...,
    ) -> Worker: ...


def _interpreters() -> list[Path]:
    return [Path(path) for path in os.environ.get(_INTERPRETERS, sys.executable).split(os.pathsep)]


def _version_of(python: Path) -> str:
    code = "import sys; print('python%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="session", params=_interpreters(), ids=_version_of)
def worker_python(request: pytest.FixtureRequest) -> Path:
    """Return the interpreter under which the worker runs."""
    python: Path = request.param
    return python


@pytest.fixture
def spawn_worker(worker_python: Path) -> Iterator[StartWorker]:
    """Return a function that starts workers and does not wait for anything."""
    with ExitStack() as stack:
        yield lambda source, **launch: stack.enter_context(spawn(worker_python, source, Launch(**launch)))


@pytest.fixture
def start_worker(spawn_worker: StartWorker) -> StartWorker:
    """Return a function that starts workers and waits until they are ready."""

    def start(source: str, **launch: object) -> Worker:
        worker = spawn_worker(source, **launch)  # type: ignore[arg-type]
        worker.wait_ready()
        return worker

    return start


@pytest.fixture(scope="module")
def scripted_sync(worker_python: Path) -> Iterator[Scripted]:
    """Return a sync model, shared by all tests of a module, that runs the code they send it."""
    with spawn(worker_python, SYNC, Launch()) as worker:
        yield Scripted(worker, is_async=False)


@pytest.fixture(scope="module")
def scripted_async(worker_python: Path) -> Iterator[Scripted]:
    """Return an async model, shared by all tests of a module, that runs the code they send it."""
    with spawn(worker_python, ASYNC, Launch()) as worker:
        yield Scripted(worker, is_async=True)


@pytest.fixture(scope="module", params=["sync", "async"])
def scripted(worker_python: Path, request: pytest.FixtureRequest) -> Scripted:
    """Return the sync model, then the async one."""
    either: Scripted = request.getfixturevalue(f"scripted_{request.param}")
    return either


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """Return a FIFO; a model that reads from it waits until the test has written to it."""
    os.mkfifo(tmp_path / "fifo")
    return tmp_path / "fifo"
