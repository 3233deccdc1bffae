"""`cog predict` as a process: its output, its exit codes, and that no process is left running."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import psutil
import pytest
from integration.cli_process import run_cog, start_cog
from testing.receiver import Receiver, Reply
from testing.waiting import wait_for

pytestmark = pytest.mark.ours("the command line is not part of the server")

# One model for most tests: `what` selects what it does.
MODEL: Final = """
import os, sys, time
from pathlib import Path as HostPath
from cog import BaseRunner, CancelationException, Input, Path

class Runner(BaseRunner):
    def setup(self):
        print("setting up")
        if os.environ.get("SETUP") == "fails":
            raise ValueError("no weights")
        while os.environ.get("SETUP") == "hangs":
            time.sleep(0.01)

    def run(self, what: str = Input(default="echo"), times: int = 1) -> str:
        try:  # a test may cancel it as soon as it has seen a line
            print("asked to", what)
            print("on stderr", file=sys.stderr)
            while what == "hang":
                time.sleep(0.01)
        except CancelationException:
            HostPath("canceled").touch()
            raise
        if what == "raise":
            raise ValueError("boom")
        if what == "crash":
            os._exit(3)
        if what == "python":
            return sys.executable
        if what == "environment":
            return os.environ["FROM_YAML"] + os.environ["FROM_FLAG"]
        while what == "resist":
            try:
                print("resisting")
                while True:
                    time.sleep(0.01)
            except CancelationException:
                print("not impressed")
        return what * times
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "cog.yaml").write_text("run: run.py:Runner\nenvironment: [FROM_YAML=a]\n")
    (tmp_path / "run.py").write_text(MODEL)
    return tmp_path


def test_output_is_on_stdout_and_logs_are_on_stderr(project: Path) -> None:
    result = run_cog(project, "predict", "-i", "what=hé", "-i", "times=2")
    assert (result.returncode, result.stdout) == (0, "héhé\n")
    assert result.stderr.splitlines() == [
        "Starting the model and running setup()...",
        "setting up",
        "Running prediction...",
        "asked to hé",
        "on stderr",
    ]


def test_run_is_the_same_command(project: Path) -> None:
    assert run_cog(project, "run", "-i", "what=a").stdout == "a\n"


def test_json_from_stdin_selects_json_output(project: Path) -> None:
    result = run_cog(project, "predict", "--json", "-", stdin=b'{"what": "a"}')
    answer = json.loads(result.stdout)
    assert (answer["status"], answer["output"], answer["error"]) == ("succeeded", "a", None)
    assert answer["metrics"]["predict_time"] >= 0


def test_it_works_from_a_subfolder(project: Path) -> None:
    (project / "below").mkdir()
    result = run_cog(project / "below", "predict", "-i", "what=a", "-o", "answer.txt")
    assert result.returncode == 0
    assert (project / "below" / "answer.txt").read_text() == "a"


def test_another_interpreter(project: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", project / "venv"], check=True)
    (site_packages,) = project.glob("venv/lib/python*/site-packages")
    (site_packages / "ours.pth").write_text("\n".join(path for path in sys.path if path))
    result = run_cog(project, "predict", "--python", "venv/bin/python", "-i", "what=python")
    assert result.stdout == f"{project}/venv/bin/python\n"


def test_an_interpreter_without_our_core(project: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", project / "venv"], check=True)
    result = run_cog(project, "predict", "--python", "venv/bin/python")
    assert result.returncode == 1
    assert "coglet_worker" in result.stderr or "msgspec" in result.stderr


def test_the_environment_of_the_model(project: Path) -> None:
    result = run_cog(project, "predict", "-e", "FROM_FLAG=b", "-i", "what=environment")
    assert result.stdout == "ab\n"


def test_a_file_of_the_model_does_not_shadow_the_server(project: Path) -> None:
    (project / "hypercorn.py").write_text("raise SystemExit('shadowed')\n")
    assert run_cog(project, "predict", "-i", "what=a").stdout == "a\n"


def test_a_model_that_raises(project: Path) -> None:
    result = run_cog(project, "predict", "-i", "what=raise")
    assert (result.returncode, result.stdout) == (1, "")
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.splitlines()[-1] == 'error: Prediction failed with status "failed": ValueError: boom'


def test_a_model_that_raises_in_json_mode(project: Path) -> None:
    result = run_cog(project, "predict", "--json", '{"what": "raise"}')
    assert result.returncode == 1
    assert json.loads(result.stdout)["status"] == "failed"


def test_a_model_that_kills_its_process(project: Path) -> None:
    result = run_cog(project, "predict", "-i", "what=crash")
    assert result.returncode == 1
    assert 'error: Prediction failed with status "failed"' in result.stderr


def test_setup_that_raises(project: Path) -> None:
    result = run_cog(project, "predict", "-e", "SETUP=fails")
    assert (result.returncode, result.stdout) == (1, "")
    assert "ValueError: no weights" in result.stderr
    assert "error: Model setup failed\n" in result.stderr


def test_setup_that_takes_too_long(project: Path) -> None:
    result = run_cog(project, "predict", "-e", "SETUP=hangs", "--setup-timeout", "0.5")
    assert result.returncode == 1
    assert "error: Timed out: model setup takes longer than 0.5 s\n\nhint: " in result.stderr


def test_a_predictor_that_cannot_be_imported(project: Path) -> None:
    (project / "run.py").write_text("import no_such_module\n" + MODEL)
    result = run_cog(project, "predict")
    assert result.returncode == 1
    assert "No module named 'no_such_module'" in result.stderr
    assert "error: Model setup failed\n" in result.stderr


def test_a_server_that_is_killed(project: Path) -> None:
    with start_cog(project, "predict", "-i", "what=hang") as cog:
        cog.wait_shown("asked to hang")
        (server,) = psutil.Process(cog.process.pid).children()
        server.kill()
        assert cog.wait_exit() == 1
    assert cog.err.endswith("error: Model server exited unexpectedly (killed by SIGKILL)\n")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_cancels_the_prediction(project: Path, number: int, code: int) -> None:
    with start_cog(project, "predict", "-i", "what=hang") as cog:
        cog.wait_shown("on stderr")
        cog.signal(number)
        assert cog.wait_exit() == code
    assert (project / "canceled").exists()
    assert cog.out == ""
    assert cog.err.endswith("Canceling the prediction...\nStopping the model... (Ctrl-C again to kill it)\n")


def test_a_signal_during_setup(project: Path) -> None:
    with start_cog(project, "predict", "-e", "SETUP=hangs") as cog:
        cog.wait_shown("setting up")
        cog.signal(signal.SIGINT)
        assert cog.wait_exit() == 130


def test_a_second_signal_kills_a_model_that_ignores_the_first(project: Path) -> None:
    with start_cog(project, "predict", "-i", "what=resist") as cog:
        cog.wait_shown("resisting")
        cog.signal(signal.SIGINT)
        cog.wait_shown("not impressed")
        cog.signal(signal.SIGINT)
        assert cog.wait_exit() == 130


def test_a_running_server_can_be_used(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with start_cog(project, "serve", "-p", "0") as server:
        server.wait_shown("The model is ready")
        url = server.err.partition("Serving at ")[2].split()[0]
        assert run_cog(elsewhere, "predict", "--url", url, "-i", "what=a").stdout == "a\n"
        refused = run_cog(elsewhere, "predict", "--url", url, "-i", "wat=a")
        assert refused.stderr == 'error: unknown input "wat"; valid inputs are: what, times\n'
        with start_cog(elsewhere, "predict", "--url", url, "-i", "what=hang") as cog:
            server.wait_shown("asked to hang")
            cog.signal(signal.SIGINT)
            assert cog.wait_exit() == 130
        wait_for((project / "canceled").exists, "canceled prediction")
    gone = run_cog(elsewhere, "predict", "--url", url, "-i", "what=a")
    assert gone.returncode == 1
    assert gone.stderr.startswith(f"error: no response from the model server at {url}: ")


FILES: Final = """
from cog import BaseModel, BaseRunner, Path

class Report(BaseModel):
    size: int
    copy: Path

class Runner(BaseRunner):
    def run(self, files: list[Path]) -> Report:
        copy = Path("copy.png")
        copy.write_bytes(b"".join(file.read_bytes() for file in files))
        return Report(size=len(files), copy=copy)
"""


def test_files_in_and_out(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (project / "run.py").write_text(FILES)
    (project / "a.txt").write_text("a")
    (project / "b.png").write_text("b")
    folder = tmp_path_factory.mktemp("outputs")
    result = run_cog(
        project, "predict", "-i", "files=@a.txt", "-i", "files=@b.png", "-o", str(folder / "report.json")
    )
    assert result.returncode == 0
    assert (folder / "report.copy.png").read_text() == "ab"
    assert json.loads((folder / "report.json").read_text()) == {
        "size": 2,
        "copy": str(folder / "report.copy.png"),
    }


LISTS: Final = """
from cog import BaseRunner, Path

class Runner(BaseRunner):
    def run(self) -> list[Path]:
        Path("a.webp").write_bytes(b"first")
        Path("b.webp").write_bytes(b"second")
        return [Path("a.webp"), Path("b.webp")]
"""


def test_files_on_an_upload_server_are_downloaded_to_the_output_path(project: Path) -> None:
    (project / "run.py").write_text(LISTS)
    with Receiver().listening() as store:
        uploads = store.received
        store.answer = lambda asked: Reply(
            body=next((each.body for each in uploads if each is not asked and each.path == asked.path), b"")
        )
        with start_cog(project, "serve", "-p", "0", "--upload-url", store.url) as server:
            server.wait_shown("The model is ready")
            url = server.err.partition("Serving at ")[2].split()[0]
            done = run_cog(project, "predict", "--url", url, "-o", "mine.webp")
    assert done.stderr == "Written output to: mine.0.webp\nWritten output to: mine.1.webp\n"
    assert done.stdout == ""
    assert (project / "mine.0.webp").read_bytes() == b"first"
    assert (project / "mine.1.webp").read_bytes() == b"second"


def test_a_path_without_an_at_sign_is_not_a_file(project: Path) -> None:
    (project / "run.py").write_text(FILES)
    (project / "a.txt").write_text("a")
    result = run_cog(project, "predict", "-i", "files=a.txt")
    assert result.returncode == 1
    assert '- files/0: "a.txt" is not the URL of a file; ' in result.stderr
    assert "pass a file with an @ before its path" in result.stderr


def test_pieces_of_a_text_are_joined_without_a_terminal(project: Path) -> None:
    (project / "run.py").write_text(
        "from cog import BaseRunner, ConcatenateIterator\n"
        "class Runner(BaseRunner):\n"
        "    def run(self) -> ConcatenateIterator[str]:\n"
        "        yield from ('a ', 'b')\n"
    )
    assert run_cog(project, "predict").stdout == "a b\n"


def test_the_servers_log_in_the_format_of_log_format(project: Path) -> None:
    result = run_cog(
        project, "predict", "-i", "what=a", variables={"LOG_FORMAT": "json", "COG_LOG_LEVEL": "info"}
    )
    records = [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]
    assert "Server ready" in [record["fields"]["message"] for record in records]


def test_debug_shows_the_servers_records(project: Path) -> None:
    assert "coglet: Server ready\n" in run_cog(project, "predict", "--debug", "-i", "what=a").stderr
