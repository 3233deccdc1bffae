"""A place for input files, and the parts of a worker."""

import pathlib
import threading
from collections.abc import Iterator

import pytest
from tests.worker.parts import Parts, parts_in

from coglet_worker.running import TemporaryFiles


@pytest.fixture
def files(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TemporaryFiles]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kept = TemporaryFiles()
    yield kept
    kept.remove_all()
    for thread in threading.enumerate():
        if thread.name == "cog-download":  # one that was interrupted because another failed
            thread.join()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def parts(tmp_path: pathlib.Path) -> Iterator[Parts]:
    with parts_in(tmp_path) as parts:
        yield parts
