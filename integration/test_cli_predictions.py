"""`cog predictions` with a server that `cog serve` has started."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from integration.cli_process import Cog, run_cog, start_cog, start_cog_on_terminal
from integration.cli_serving import serving
from testing.waiting import wait_for

pytestmark = pytest.mark.ours("the command line is not part of the server")

CTRL_C: Final = b"\x03"
# Each prediction waits until there is a file of its name in the model's folder; `wrong` makes it fail.
MODEL: Final = """
import time
from pathlib import Path
from cog import BaseRunner

class Runner(BaseRunner):
    def run(self, name: str, wrong: bool = False) -> str:
        print("started", name)
        while not Path(name).exists():
            time.sleep(0.01)
        print("finished", name)
        if wrong:
            raise ValueError("boom")
        return "the output of " + name
"""
STREAMING: Final = """
import time
from pathlib import Path
from cog import BaseRunner, ConcatenateIterator, streaming

class Runner(BaseRunner):
    @streaming
    def run(self, name: str) -> ConcatenateIterator[str]:
        print("started", name)
        yield "one "
        while not Path(name).exists():
            time.sleep(0.01)
        print("finished", name)
        yield "two"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "cog.yaml").write_text("run: run.py:Runner\n")
    (tmp_path / "run.py").write_text(MODEL)
    return tmp_path


@pytest.fixture
def server(project: Path) -> Iterator[tuple[Cog, str]]:
    with serving(project, "--queue", "5") as running:
        yield running


def submit(project: Path, url: str, name: str, *flags: str) -> str:
    """Create the prediction of that name and return its id."""
    started = run_cog(project, "predict", "--url", url, "--async", "-i", f"name={name}", *flags)
    assert started.returncode == 0, started.stderr
    return started.stdout.strip()


def listed(project: Path, url: str, *flags: str) -> Any:
    result = run_cog(project, "predictions", "--url", url, "--json", *flags)
    assert result.returncode == 0, result.stderr
    return [(each["id"], each["status"]) for each in json.loads(result.stdout)]


def test_the_list(project: Path, server: tuple[Cog, str]) -> None:
    cog, url = server
    empty = run_cog(project, "predictions", "--url", url)
    assert (empty.returncode, empty.stdout) == (0, "ID  STATUS  CREATED  DURATION\n")
    assert empty.stderr == f"No predictions at {url}\n"
    first, second = submit(project, url, "a"), submit(project, url, "b")
    cog.wait_shown("started a")
    assert listed(project, url) == [(second, "starting"), (first, "processing")]
    assert listed(project, url, "--status", "starting") == [(second, "starting")]
    assert listed(project, url, "--limit", "1") == [(second, "starting")]
    table = run_cog(project, "predictions", "--url", url).stdout.splitlines()
    assert [line.split()[:2] for line in table] == [
        ["ID", "STATUS"],
        [second, "starting"],
        [first, "processing"],
    ]


def test_the_states_of_one_prediction(project: Path, server: tuple[Cog, str]) -> None:
    cog, url = server
    one = submit(project, url, "a")
    cog.wait_shown("started a")
    running = run_cog(project, "predictions", one, "--url", url)
    assert (running.returncode, running.stdout) == (2, "")
    assert running.stderr.splitlines() == [
        "started a",
        f'Prediction {one} has the status "processing"',
        f"Follow it with: cog predictions {one} --url {url} -f",
    ]
    (project / "a").touch()
    cog.wait_shown("finished a")
    followed = run_cog(project, "predictions", one, "--url", url, "-f")
    ended = run_cog(project, "predictions", one, "--url", url)
    for result in (followed, ended):
        assert (result.returncode, result.stdout) == (0, "the output of a\n")
        assert result.stderr == "started a\nfinished a\n"
    written = run_cog(project, "predictions", one, "--url", url, "-o", "answer.txt")
    assert written.stderr.endswith("Written output to: answer.txt\n")
    assert (project / "answer.txt").read_text() == "the output of a"
    body = json.loads(run_cog(project, "predictions", one, "--url", url, "--json").stdout)
    assert (body["id"], body["status"], body["output"]) == (one, "succeeded", "the output of a")
    assert body["input"]["name"] == "a"
    assert body["completed_at"] > body["started_at"] > body["created_at"]


def test_a_failed_one(project: Path, server: tuple[Cog, str]) -> None:
    _, url = server
    (project / "a").touch()
    one = submit(project, url, "a", "-i", "wrong=true")
    result = run_cog(project, "predictions", one, "--url", url, "-f")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        'started a\nfinished a\nerror: Prediction failed with status "failed": ValueError: boom\n'
    )
    in_json = run_cog(project, "predictions", one, "--url", url, "--json")
    assert (in_json.returncode, json.loads(in_json.stdout)["status"]) == (1, "failed")


@pytest.mark.parametrize("model", [MODEL, STREAMING], ids=["polled", "streamed"])
def test_logs_are_shown_as_they_come_and_the_output_at_the_end(project: Path, model: str) -> None:
    (project / "run.py").write_text(model)
    with serving(project) as (_, url):
        one = submit(project, url, "a")
        with start_cog(project, "predictions", one, "--url", url, "-f") as cog:
            cog.wait_shown("started a\n")
            assert cog.out == ""
            (project / "a").touch()
            assert cog.wait_exit() == 0
        assert cog.err == "started a\nfinished a\n"
        assert cog.out == ("one two\n" if model is STREAMING else "the output of a\n")


def test_ctrl_c_ends_the_command_but_not_the_prediction(project: Path, server: tuple[Cog, str]) -> None:
    _, url = server
    one = submit(project, url, "a")
    with start_cog(project, "predictions", one, "--url", url, "-f") as cog:
        cog.wait_shown("started a\n")
        cog.signal(signal.SIGINT)
        assert cog.wait_exit() == 130
    assert cog.err == (
        f"started a\nPrediction {one} goes on; cancel it with: cog predictions {one} --url {url} --cancel\n"
    )
    assert listed(project, url) == [(one, "processing")]
    (project / "a").touch()
    assert run_cog(project, "predictions", one, "--url", url, "-f").stdout == "the output of a\n"


def test_a_cancelation_while_another_command_follows(project: Path, server: tuple[Cog, str]) -> None:
    _, url = server
    one = submit(project, url, "a")
    with start_cog(project, "predictions", one, "--url", url, "-f") as cog:
        cog.wait_shown("started a\n")
        for _ in range(2):  # a cancel may be repeated
            canceled = run_cog(project, "predictions", one, "--url", url, "--cancel")
            assert canceled.returncode == 0
            assert (canceled.stdout, canceled.stderr) == ("", f"Prediction {one} is canceled\n")
        assert cog.wait_exit() == 1
    assert cog.err.endswith('error: Prediction failed with status "canceled"\n')
    again = run_cog(project, "predictions", one, "--url", url)
    assert again.returncode == 1


def test_a_prediction_that_the_server_does_not_know(project: Path, server: tuple[Cog, str]) -> None:
    _, url = server
    for flags in ([], ["-f"], ["--cancel"]):
        result = run_cog(project, "predictions", "a/b", "--url", url, *flags)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith("error: prediction 'a/b' is not known, according to the model server")


def test_files_are_written(project: Path) -> None:
    (project / "run.py").write_text(
        "from cog import BaseRunner, Path\n"
        "class Runner(BaseRunner):\n"
        "    def run(self, name: str) -> Path:\n"
        "        Path(name).write_text(name)\n"
        "        return Path(name)\n"
    )
    with serving(project) as (_, url):
        one = submit(project, url, "cat.webp")
        result = run_cog(project, "predictions", one, "--url", url, "-f", "-o", "mine")
    assert (result.returncode, result.stderr) == (0, "Written output to: mine.webp\n")
    assert (project / "mine.webp").read_text() == "cat.webp"


def waiting(number: int) -> str:
    return f"Number {number} in the queue; the prediction waits for its turn"


def test_a_terminal_shows_the_queue_while_a_prediction_waits(project: Path, server: tuple[Cog, str]) -> None:
    _, url = server
    submit(project, url, "a")
    second = submit(project, url, "b")
    with (
        start_cog_on_terminal(project, "predictions", second, "--url", url, "-f") as (following, _),
        start_cog_on_terminal(project, "predict", "--url", url, "-i", "name=c") as (predicting, keyboard),
    ):
        following.wait_shown(waiting(1))
        predicting.wait_shown(waiting(2))
        # The key cancels the prediction of `cog predict`, while the other one goes on.
        os.write(keyboard, CTRL_C)
        assert predicting.wait_exit() == 130
        assert predicting.out.endswith("Canceling the prediction...\r\n")
        for name in ("a", "b"):
            (project / name).touch()
        assert following.wait_exit() == 0
    assert following.out.endswith("\r\x1b[2Kstarted b\r\nfinished b\r\nthe output of b\r\n")
    assert [status for _, status in listed(project, url)] == ["canceled", "succeeded", "succeeded"]


def test_a_pipe_does_not(project: Path, server: tuple[Cog, str]) -> None:
    _, url = server
    submit(project, url, "a")
    second = submit(project, url, "b")
    with (
        start_cog(project, "predictions", second, "--url", url, "-f") as following,
        start_cog(project, "predict", "--url", url, "-i", "name=c") as predicting,
    ):
        wait_for(lambda: len(listed(project, url)) == 3, "the prediction of `cog predict`")
        with start_cog_on_terminal(project, "predict", "--url", url, "-i", "name=d") as (shown, _):
            shown.wait_shown(waiting(3))
            submit(project, url, "e", "--priority", "1")
            shown.wait_shown(waiting(4))
            for name in ("a", "b", "c", "d", "e"):
                (project / name).touch()
            assert (following.wait_exit(), predicting.wait_exit(), shown.wait_exit()) == (0, 0, 0)
    assert following.err == "started b\nfinished b\n"
    assert predicting.err == ""


def test_text_is_shown_as_it_is_streamed(project: Path) -> None:
    (project / "run.py").write_text(STREAMING)
    with serving(project) as (_, url):
        one = submit(project, url, "a")
        with start_cog_on_terminal(project, "predictions", one, "--url", url, "-f") as (cog, _):
            cog.wait_shown("one ")
            (project / "a").touch()
            assert cog.wait_exit() == 0
    assert cog.out.replace("\r\n", "\n") == "started a\none \nfinished a\ntwo\n"


def test_a_server_with_a_token(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COG_API_TOKEN", "sesame")
    with serving(project) as (_, url):
        address = url.removeprefix("http://")  # the scheme may be left out
        (project / "a").touch()
        one = submit(project, address, "a")
        assert run_cog(project, "predictions", one, "--url", url, "-f").stdout == "the output of a\n"
        monkeypatch.setenv("COG_API_TOKEN", "another")
        wrong = run_cog(project, "predictions", "--url", url)
        assert wrong.stderr.startswith(
            f"error: the model server at {url} rejected the token in COG_API_TOKEN\n\nhint: set COG_API_TOKEN"
        )
        monkeypatch.delenv("COG_API_TOKEN")
        without = run_cog(project, "predict", "--url", url, "-i", "name=a")
        assert without.stderr.startswith(f"error: the model server at {url} requires a token\n\nhint: ")


def test_a_busy_server_without_a_queue(project: Path) -> None:
    with serving(project) as (cog, url):
        submit(project, url, "a")
        cog.wait_shown("started a")
        refused = run_cog(project, "predict", "--url", url, "--async", "-i", "name=b")
        assert refused.returncode == 1
        assert refused.stderr.endswith("lets predictions wait: start it with `cog serve --queue 100`\n")
        (project / "a").touch()
