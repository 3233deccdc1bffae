"""Commands of `cog` that run a container for the current folder: `serve --docker`, `train` and `exec`."""

import json
import os
import signal
import urllib.request
from pathlib import Path

import docker
import pytest
from integration.cli_process import start_cog, start_cog_on_terminal
from integration.docker.containers import BUILD_LIMIT_S, run_cog

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PLAIN = ("--use-cog-base-image", "false")


@pytest.mark.parametrize("example", ["hello"], indirect=True)
def test_the_server_of_a_folder_until_ctrl_c(
    engine: docker.DockerClient, example: Path, variables: dict[str, str]
) -> None:
    with start_cog(example, "serve", "--docker", "-p", "0", *PLAIN, variables=variables) as cog:
        cog.wait_shown("The model is ready", within_s=BUILD_LIMIT_S)  # its image is built first
        assert (
            "Running python --check-hash-based-pycs never -m cog.server.http --await-explicit-shutdown true "
            "in Docker with the current directory mounted as a volume...\n"
        ) in cog.err
        url = cog.err.partition("Serving at ")[2].split()[0]
        request = urllib.request.Request(
            f"{url}/predictions", b'{"input": {"name": "Ada"}}', {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=20) as response:
            assert json.load(response)["output"] == "Hello, Ada!"
        cog.signal(signal.SIGINT)
        assert cog.wait_exit() == 0
    assert not engine.containers.list(all=True, filters={"ancestor": "cog-hello-base"})


@pytest.mark.parametrize("example", ["hello"], indirect=True)
def test_inputs_from_stdin_reach_a_model_that_is_built_first(
    engine: docker.DockerClient, example: Path, variables: dict[str, str]
) -> None:
    done = run_cog(example, "predict", "--docker", *PLAIN, "-i", "name=@-", stdin=b"Ada", variables=variables)
    assert (done.returncode, done.stdout) == (0, "Hello, data:application/octet-stream;base64,QWRh!\n"), (
        done.stderr
    )


def test_a_training(engine: docker.DockerClient, tmp_path: Path, variables: dict[str, str]) -> None:
    (tmp_path / "cog.yaml").write_text('build: {python_version: "3.11"}\ntrain: "train.py:train"\n')
    (tmp_path / "train.py").write_text(
        "from cog import Path\n\n\ndef train(n: int) -> Path:\n"
        '    print("training", n)\n    file = Path("/tmp/w.bin")\n'
        '    file.write_text("w" * n)\n    return file\n'
    )
    done = run_cog(tmp_path, "train", *PLAIN, "-i", "n=3", variables=variables)
    assert done.returncode == 0, done.stderr
    assert "\ntraining 3\n" in done.stderr
    assert (tmp_path / "weights.bin").read_text() == "www"


@pytest.mark.parametrize("example", ["hello"], indirect=True)
def test_a_command_in_the_environment_of_the_folder(
    engine: docker.DockerClient, example: Path, variables: dict[str, str]
) -> None:
    script = "cat; echo $A; touch made; exit 3"
    done = run_cog(
        example, "exec", *PLAIN, "-e", "A=1", "sh", "-c", script, stdin=b"from stdin\n", variables=variables
    )
    assert (done.stdout, done.returncode) == ("from stdin\n1\n", 3), done.stderr
    assert done.stderr.endswith("error: container exited with status 3\n")
    assert (example / "made").exists()


@pytest.mark.parametrize("example", ["hello"], indirect=True)
def test_a_command_on_a_terminal(
    engine: docker.DockerClient, example: Path, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    # LINES and COLUMNS, which some shells export, are ignored: they do not change with the window.
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setenv("COLUMNS", "80")
    # The size is set shortly after the start.
    wait = 'while [ "$(stty size)" = "0 0" ]; do :; done'
    script = f'{wait}; stty size; read word; echo "got $word"; exec sleep 1000'
    with start_cog_on_terminal(example, "exec", *PLAIN, "sh", "-c", script) as (cog, keyboard):
        cog.wait_shown("30 100\r\n", within_s=BUILD_LIMIT_S)  # the image is built first
        os.write(keyboard, b"this\r")
        cog.wait_shown("got this\r\n")
        os.write(keyboard, b"\x03")  # Ctrl-C, which goes to the command and not to cog
        assert cog.wait_exit() == 128 + signal.SIGINT
    assert "container exited with status 130\r\n" in cog.out
