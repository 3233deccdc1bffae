"""Settings of the property tests, and a place for input files."""

import pathlib
import threading
from collections.abc import Iterator

import pytest
from hypothesis import settings

from coglet_worker.running import TemporaryFiles

# No deadline an example: the machine that runs the tests may be busy.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture
def files(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TemporaryFiles]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kept = TemporaryFiles()
    yield kept
    kept.remove_all()
    for thread in threading.enumerate():
        if thread.name == "cog-download":  # one that another's failure made superfluous
            thread.join()
    assert list(tmp_path.iterdir()) == []
