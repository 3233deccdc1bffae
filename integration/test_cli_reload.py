"""`cog serve --reload` and `cog predict --watch`: edits as editors make them, and what users see of them."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from integration.browser import Page
from integration.cli_process import Cog, run_cog, start_cog
from integration.cli_serving import address_of, serving
from integration.page_serving import browser, text
from testing.client import Address, Answer, exchange
from testing.waiting import wait_for

pytestmark = pytest.mark.ours("the command line is not part of the server")

EDITS: Final = 50
CLIENTS: Final = 4
PER_CLIENT_AND_S: Final = 50
MODEL: Final = """
from cog import BasePredictor, Input

class Predictor(BasePredictor):
    def predict(self, name: str = "a") -> str:
        return f"{name} 0"
"""


@pytest.fixture(autouse=True)
def _with_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on the machines of users."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "cog.yaml").write_text("predict: predict.py:Predictor\n")
    (tmp_path / "predict.py").write_text(MODEL)
    return tmp_path


def edit(project: Path, text: str, name: str = "predict.py", changed_at: float | None = None) -> None:
    """Write a file as most editors do: a new file takes its place."""
    new = project / f".{name}.new"
    new.write_text(text)
    if changed_at is not None:
        os.utime(new, (changed_at, changed_at))
    new.rename(project / name)


@dataclass(frozen=True)
class Served:
    """A server with `--reload`, and the command that started it."""

    cog: Cog
    address: Address

    def predict(self, **values: Any) -> Answer:
        return self.address.request("POST", "/predictions", {"input": values})

    @property
    def model(self) -> Any:
        """The model, according to the hosted API."""
        return self.address.request("GET", "/v1/models").json()["results"][0]

    @property
    def version(self) -> str:
        version: str = self.model["latest_version"]["id"]
        return version

    @property
    def health(self) -> Any:
        return self.address.request("GET", "/health-check").json()

    def wait_output(self, text: str) -> None:
        """Wait until the model that answers is the one that returns `text`."""
        wait_for(lambda: self.predict().json().get("output") == text, f"output {text!r}")

    def wait_error(self, text: str) -> None:
        """Wait until the health report and the terminal say why the last edit is not served."""
        wait_for(lambda: text in self.health.get("reload_error", ""), f"{text!r} in the health report")
        self.cog.wait_shown("error: the model was not reloaded: ")
        self.cog.wait_shown(text)


@contextmanager
def reloading(project: Path, *flags: str) -> Iterator[Served]:
    with serving(project, "--reload", *flags) as (cog, _):
        yield Served(cog, address_of(cog))


def ask_until(stop: threading.Event, address: Address) -> list[Answer]:
    """Ask at a fixed rate, on one connection that stays open; return the answers."""
    answers: list[Answer] = []
    begins = time.monotonic()
    with address.connect() as connection:
        while not stop.wait(max(0.0, begins + len(answers) / PER_CLIENT_AND_S - time.monotonic())):
            answers.append(exchange(connection, "POST", "/predictions", {"input": {}}))
    return answers


@pytest.mark.timeout(180)
def test_two_hundred_requests_a_second_through_fifty_edits(project: Path) -> None:
    """Every third edit changes the schema as well."""
    with reloading(project, "--queue", "100") as served, ThreadPoolExecutor(CLIENTS) as pool:
        stop = threading.Event()
        asking = [pool.submit(ask_until, stop, served.address) for _ in range(CLIENTS)]
        began = time.monotonic()
        try:
            for number in range(1, EDITS + 1):
                new = MODEL.replace(" 0", f" {number}")
                edit(project, new.replace("name: str", "name: str | None") if number % 3 == 0 else new)
                served.wait_output(f"a {number}")
        finally:
            took_s = time.monotonic() - began
            stop.set()
        answers = [answer for each in asking for answer in each.result()]
        print(f"{len(answers) / took_s:.0f} requests a second, {took_s / EDITS:.2f} s for an edit")
        assert {answer.status for answer in answers} == {200}
        # The clients may miss a version, for example the last one, which ends the test.
        assert len({answer.json()["output"] for answer in answers}) > EDITS / 2
        assert "reload_error" not in served.health


def test_an_edit_that_cannot_be_served_is_shown_and_changes_nothing(project: Path) -> None:
    with reloading(project) as served:
        edit(project, MODEL + "def broken(:\n")
        served.wait_error("predict.py:7: failed to parse Python source: '(' was never closed")
        edit(project, MODEL.replace("name: str", "name: set"))
        served.wait_error("cannot resolve type 'set'")
        edit(project, MODEL + "import nothing_of_this_name\n")
        served.wait_error("No module named 'nothing_of_this_name'")
        edit(project, "predict: [\n", "cog.yaml")
        served.wait_error("failed to parse cog.yaml")
        assert served.predict().json()["output"] == "a 0"
        edit(project, "predict: predict.py:Predictor\n", "cog.yaml")
        served.wait_error("No module named 'nothing_of_this_name'")
        edit(project, MODEL.replace(" 0", " 1"))
        served.wait_output("a 1")
        wait_for(lambda: "reload_error" not in served.health, "health report without an error")
        served.cog.wait_shown("Reloaded the model in ")


@pytest.fixture
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.parametrize("with_events", [True, False])
def test_the_page_says_why_an_edit_is_not_served(
    project: Path, page: Page, monkeypatch: pytest.MonkeyPatch, *, with_events: bool
) -> None:
    """Without events of the server, the page of `cog playground` reads its health report."""
    monkeypatch.setenv("COG_UI", "on" if with_events else "off")
    with reloading(project, "--playground", "--playground-port", "0") as served:
        page.open(served.cog.err.partition("Playground at ")[2].split()[0])
        page.wait("document.querySelector('#health')?.textContent === 'READY'")
        assert text(page, "#reload-error[role=alert]") == ""
        edit(project, MODEL + "def broken(:\n")
        page.wait("document.querySelector('#reload-error').textContent !== ''")
        assert text(page, "#reload-error") == (
            "The latest change of the model is not served:\n"
            "predict.py:7: failed to parse Python source: '(' was never closed (predict.py:7:11)"
        )
        assert page.run("document.querySelector('#reload-error').checkVisibility()")
        edit(project, MODEL)
        page.wait("document.querySelector('#reload-error').textContent === ''")


def test_the_form_of_the_page_follows_the_model(project: Path, page: Page) -> None:
    with reloading(project) as served:
        page.open(f"http://127.0.0.1:{served.address.port}/ui/")
        page.wait("document.querySelector('#input-name') !== null")
        page.run("document.querySelector('#input-name').value = 'Ada'")
        edit(project, MODEL.replace("name: str", "size: int = 2, name: str").replace(" 0", " {size}"))
        page.wait("document.querySelector('#input-size') !== null")
        assert page.run("document.querySelector('#input-name').value") == "Ada"
        page.run("document.querySelector('#run').click()")
        page.wait("document.querySelector('#output').textContent === 'Ada 2'")


def test_the_version_in_the_hosted_api_changes_with_the_model(project: Path) -> None:
    with reloading(project) as served:
        first = served.version
        edit(project, MODEL.replace(" 0", " 1"))
        served.wait_output("a 1")
        second = served.version
        edit(project, MODEL)
        served.wait_output("a 0")
        assert served.version == first != second


def test_the_version_is_that_of_the_model_that_serves(project: Path) -> None:
    """Also if the first question for it comes after an edit."""
    with reloading(project) as served:
        first = served.version
    with reloading(project) as served:
        served.wait_output("a 0")
        edit(project, MODEL + "def broken(:\n")
        served.wait_error("'(' was never closed")
        assert served.version == first


def test_an_error_in_another_module(project: Path) -> None:
    edit(project, "WORD = 'first'\n", "words.py")
    edit(project, MODEL.replace("from cog", "import words\nfrom cog").replace(" 0", " {words.WORD}"))
    with reloading(project) as served:
        edit(project, "WORD = = 'second'\n", "words.py")
        served.wait_error("invalid syntax (words.py, line 1)")
        edit(project, "WORD = 'second'\n", "words.py")
        served.wait_output("a second")


def test_another_folder_takes_the_place_of_a_package(project: Path) -> None:
    for name in ("part", "other"):
        (project / name).mkdir()
        (project / name / "__init__.py").write_text(f"VALUE = {name!r}\n")
    edit(project, "import part\n" + MODEL.replace('f"{name} 0"', "part.VALUE"))
    with reloading(project) as served:
        served.wait_output("part")
        (project / "part").rename(project / "earlier")
        (project / "other").rename(project / "part")
        served.wait_output("other")


def test_the_inputs_change_with_the_model(project: Path) -> None:
    with reloading(project) as served:
        assert served.predict(size=2).status == 422
        edit(project, MODEL.replace("name: str", "size: int").replace("{name}", "{size}").replace('"a"', "1"))
        served.wait_output("1 0")
        assert served.predict(size=2).json()["output"] == "2 0"
        assert served.predict(name="b").status == 422
        document = served.address.request("GET", "/openapi.json").json()
        assert [*document["components"]["schemas"]["Input"]["properties"]] == ["size"]


@pytest.mark.parametrize("name", ["predict.py", "words.py"])
def test_edits_of_the_same_size_in_the_same_second(project: Path, name: str) -> None:
    """Time and size of the source are then the same, so Python would use the bytecode of the edit before."""
    edit(project, MODEL.replace("from cog", "import words\nfrom cog").replace(" 0", " {words.WORD}1"))
    edit(project, "WORD = 1\n", "words.py", 1_000_000_000)
    source = (project / name).read_text()
    with reloading(project) as served:
        for number in ("1", "2", "3"):
            edit(project, source.replace("1", number), name, 1_000_000_000)
            served.wait_output(f"a 1{number}" if name == "predict.py" else f"a {number}1")


def test_what_runs_ends_in_the_old_worker(project: Path) -> None:
    edit(
        project,
        MODEL.replace(
            "        return",
            "        import pathlib, time\n"
            "        while name == 'wait' and not pathlib.Path('go').exists():\n"
            "            time.sleep(0.01)\n"
            "        return",
        ),
    )
    with reloading(project) as served, ThreadPoolExecutor(1) as pool:
        held = pool.submit(served.predict, name="wait")
        wait_for(lambda: served.health["status"] == "BUSY", "prediction that runs")
        edit(project, MODEL.replace(" 0", " 1"))
        served.wait_output("a 1")
        served.cog.wait_shown("Reloaded the model in ")
        edit(project, MODEL.replace(" 0", " 2"))
        served.cog.wait_shown("Waiting for predictions that run in the version before")
        (project / "go").touch()
        assert held.result().json()["output"] == "wait 0"
        served.wait_output("a 2")


def test_a_setup_that_hangs_ends_with_the_next_edit(project: Path) -> None:
    with reloading(project) as served:
        edit(
            project,
            MODEL + "    def setup(self):\n        print('hanging', flush=True)\n        while True: pass\n",
        )
        served.cog.wait_shown("hanging")
        edit(project, MODEL.replace(" 0", " 1"))
        served.wait_output("a 1")


def test_a_model_that_did_not_start_starts_with_the_next_edit(project: Path) -> None:
    edit(project, MODEL + "raise SystemExit('no weights')\n")
    with start_cog(project, "serve", "-p", "0", "--reload") as cog:
        cog.wait_shown("Model setup failed")
        edit(project, MODEL)
        cog.wait_shown("Reloaded the model in ")
        served = Served(cog, address_of(cog))
        assert served.predict().json()["output"] == "a 0"


def test_variables_and_the_model_change_with_cog_yaml(project: Path) -> None:
    edit(
        project,
        MODEL.replace("from cog", "import os\nfrom cog").replace(" 0", " {os.environ['WORD']}"),
        "other.py",
    )
    with reloading(project) as served:
        before = (served.model["owner"], served.model["name"])
        edit(
            project,
            "predict: other.py:Predictor\nimage: me/renamed\nenvironment:\n  - WORD=new\n",
            "cog.yaml",
        )
        served.wait_output("a new")
        assert before != (served.model["owner"], served.model["name"]) == ("me", "renamed")


def test_ctrl_c_ends_it(project: Path) -> None:
    with reloading(project) as served:
        served.cog.signal(signal.SIGINT)
        assert served.cog.wait_exit() == 0


def test_it_needs_a_model_on_this_machine(project: Path) -> None:
    result = run_cog(project, "serve", "--reload", "--docker")
    assert (result.returncode, result.stderr.splitlines()[0]) == (
        1,
        "error: --reload needs a model that runs on this machine, not in a container",
    )


def test_watch_asks_again_at_each_change(project: Path) -> None:
    with start_cog(project, "predict", "--watch", "-i", "name=b") as cog:
        cog.wait_shown("b 0\n")
        cog.wait_shown("Waiting for a change")
        edit(project, MODEL + "def broken(:\n")
        cog.wait_shown("error: predict.py:7: failed to parse Python source")
        edit(project, MODEL.replace(" 0", " 1"))
        cog.wait_shown("b 1\n")
        cog.signal(signal.SIGINT)
        assert cog.wait_exit() == 0
    assert cog.out == "b 0\nb 1\n"


def test_watch_sees_edits_of_the_same_size_in_the_same_second(project: Path) -> None:
    edit(project, MODEL, changed_at=1_000_000_000)
    with start_cog(project, "predict", "--watch") as cog:
        cog.wait_shown("a 0\n")
        cog.wait_shown("Waiting for a change")
        edit(project, MODEL.replace(" 0", " 1"), changed_at=1_000_000_000)
        cog.wait_shown("a 1\n")


def test_watch_cancels_a_prediction_of_the_old_model(project: Path) -> None:
    edit(
        project,
        MODEL.replace(
            "        return", "        print('hanging')\n        __import__('time').sleep(60)\n        return"
        ),
    )
    with start_cog(project, "predict", "--watch") as cog:
        cog.wait_shown("hanging")
        edit(project, MODEL)
        cog.wait_shown("a 0\n")


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--url", "http://localhost:1"], "--watch needs a model that runs on this machine"),
        (["-i", "name=@-"], "--watch cannot read inputs from stdin again at each change"),
        (["--json", "-"], "--watch cannot read inputs from stdin again at each change"),
    ],
)
def test_what_cannot_be_watched(project: Path, flags: list[str], error: str) -> None:
    result = run_cog(project, "predict", "--watch", *flags)
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: {error}")
