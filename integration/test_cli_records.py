"""The queue and the records of a server that `cog serve` starts, with real processes."""

import json
import urllib.request
from pathlib import Path
from typing import Any, Final

import pytest
from integration.cli_process import run_cog
from integration.cli_serving import serving

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


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=20) as response:
        return json.load(response)


def test_flags_of_the_queue_and_the_records_reach_the_server(project: Path) -> None:
    with serving(project, "--queue", "2", "--records", "off", "-e", "COG_QUEUE_SIZE=7") as (_, url):
        assert get(f"{url}/health-check")["queue"]["capacity"] == 2
        assert run_cog(project, "predict", "--url", url).stdout == "the output \n"
        assert get(f"{url}/predictions")["results"] == []


def test_an_async_prediction_prints_its_id_and_goes_on(project: Path) -> None:
    with serving(project, "--queue", "2") as (server, url):
        started = run_cog(project, "predict", "--url", url, "--async", "-i", "name=go")
        prediction_id = started.stdout.strip()
        assert (started.returncode, started.stdout) == (0, f"{prediction_id}\n")
        assert started.stderr == f"Follow it with: cog predictions {prediction_id} --url {url} -f\n"
        server.wait_shown("started go")
        assert get(f"{url}/predictions/{prediction_id}")["status"] == "processing"
        later = run_cog(project, "predict", "--url", url, "--async", "--json", '{"name": "b"}')
        assert get(f"{url}/predictions/{later.stdout.strip()}")["status"] == "starting"


def test_a_priority_decides_which_one_runs_first(project: Path) -> None:
    with serving(project, "--queue", "3") as (server, url):
        run_cog(project, "predict", "--url", url, "--async", "-i", "name=a")
        server.wait_shown("started a")
        for name, priority in (("low", "-1"), ("middle", "0"), ("high", "10")):
            arguments = ("--url", url, "--async", "--priority", priority, "-i", f"name={name}")
            assert run_cog(project, "predict", *arguments).returncode == 0
        for name in ("a", "high", "middle", "low"):
            server.wait_shown(f"started {name}\n")
            (project / name).touch()
        server.wait_shown("finished low\n")
        started = [line for line in server.err.splitlines() if line.startswith("started ")]
        assert started == ["started a", "started high", "started middle", "started low"]


def test_an_async_prediction_that_is_refused(project: Path) -> None:
    with serving(project) as (server, url):
        run_cog(project, "predict", "--url", url, "--async", "-i", "name=a")
        server.wait_shown("started a")
        refused = run_cog(project, "predict", "--url", url, "--async", "-i", "name=b")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.startswith("error: /predictions call returned status 409: ")


def test_predictions_in_a_database_outlive_their_server(project: Path) -> None:
    (project / "below").mkdir()
    flags = ("--queue", "2", "--records", "sqlite:predictions.db")
    with serving(project / "below", *flags) as (server, url):
        created = [
            run_cog(project, "predict", "--url", url, "--async", "-i", f"name={name}").stdout.strip()
            for name in ("a", "b")
        ]
        server.wait_shown("started a")
    # A relative path starts at the folder of the model, wherever the command was started.
    assert (project / "predictions.db").is_file()
    for name in ("a", "b"):
        (project / name).touch()
    with serving(project, *flags) as (_, url):
        last = run_cog(project, "predictions", created[1], "--url", url, "-f")
        assert (last.returncode, last.stdout) == (0, "the output b\n")
        listed = json.loads(run_cog(project, "predictions", "--url", url, "--json").stdout)
        assert [each["id"] for each in listed] == created[::-1]
