"""The queue and the records of a server that `cog serve` starts, with real processes."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from integration.cli_process import Cog, run_cog, start_cog

pytestmark = pytest.mark.ours("the command line is not part of the server")

# `name` waits until there is a file of that name in the model's folder; `wrong` makes it fail.
MODEL: Final = """
import time
from pathlib import Path
from cog import BaseRunner, Input

class Runner(BaseRunner):
    def run(self, name: str = "", wrong: bool = False) -> str:
        print("started", name)
        while name and not Path(name).exists():
            time.sleep(0.01)
        print("finished", name)
        if wrong:
            raise ValueError("boom")
        return "the output " + name
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "cog.yaml").write_text("run: run.py:Runner\n")
    (tmp_path / "run.py").write_text(MODEL)
    return tmp_path


@contextmanager
def serving(project: Path, *flags: str) -> Iterator[tuple[Cog, str]]:
    """A server of the model; yields its command and its URL."""
    with start_cog(project, "serve", "-p", "0", *flags) as cog:
        cog.wait_shown("The model is ready")
        yield cog, cog.err.partition("Serving at ")[2].split()[0]


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=20) as response:
        return json.load(response)


def test_flags_of_the_queue_and_the_records_reach_the_server(project: Path) -> None:
    with serving(project, "--queue", "2", "--records", "off", "-e", "COG_QUEUE_SIZE=7") as (_, url):
        assert get(f"{url}/health-check")["queue"]["capacity"] == 2
        assert run_cog(project, "predict", "--url", url).stdout == "the output \n"
        assert get(f"{url}/predictions")["results"] == []
