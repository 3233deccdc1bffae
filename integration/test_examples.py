"""The models in examples/ run in an environment with their requirements, and so do the commands they show."""

import base64
import io
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from integration.conftest import Serve
from testing.events import parse_events
from testing.model import Model
from testing.server import Server

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PYTHON = os.environ.get("PYCOGLET_EXAMPLES_PYTHON", "")

pytestmark = pytest.mark.skipif(not PYTHON, reason="scripts/test makes the environment of the examples")


@contextmanager
def example(serve: Serve, name: str) -> Iterator[Server]:
    """The example served as it stands, with its schema made from its source."""
    folder = EXAMPLES / name
    config = yaml.safe_load((folder / "cog.yaml").read_text())
    model = Model((folder / "predict.py").read_text(), ref=config["predict"])
    with serve(model, variables={"COG_WORKER_PYTHON": PYTHON}) as server:
        yield server


def cog(*arguments: str, folder: Path) -> str:
    """Run the command and return its stdout."""
    done = subprocess.run(
        [Path(sys.executable).with_name("cog"), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def output(server: Server, **inputs: Any) -> Any:
    answer = server.predict(inputs)
    assert answer.status == 200, answer
    body = answer.json()
    assert body["status"] == "succeeded", body
    return body["output"]


def png_url() -> str:
    image = (EXAMPLES / "digits" / "six.png").read_bytes()
    return "data:image/png;base64," + base64.b64encode(image).decode()


def png_size(url: str) -> tuple[int, int]:
    """Width and height, from the header of a PNG in a data URL."""
    scheme, content = url.split(",", 1)
    assert scheme == "data:image/png;base64"
    header = io.BytesIO(base64.b64decode(content))
    assert header.read(16) == b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
    return int.from_bytes(header.read(4), "big"), int.from_bytes(header.read(4), "big")


def test_hello_greets_and_refuses_a_name_that_is_too_long(serve: Serve) -> None:
    with example(serve, "hello") as server:
        assert output(server, name="Ada") == "Hello, Ada!"
        assert server.predict({"name": "A" * 101}).status == 422


def test_resize_returns_a_picture_of_the_requested_width(serve: Serve) -> None:
    with example(serve, "resize") as server:
        assert png_size(output(server, image=png_url(), width=48)) == (48, 48)
        assert png_size(output(server, image=png_url())) == (320, 320)


def test_tokens_come_in_order_and_as_events(serve: Serve) -> None:
    with example(serve, "tokens") as server:
        assert output(server, prompt="three two one", delay=0) == ["one ", "two ", "three "]
        question = {"input": {"prompt": "two one", "delay": 0}}
        answer = server.request("POST", "/predictions", question, {"Accept": "text/event-stream"})
        chunks = [event.data["chunk"] for event in parse_events(answer.body) if event.name == "output"]
        assert chunks == ["one ", "two "]


def test_digits_reads_handwriting(serve: Serve) -> None:
    with example(serve, "digits") as server:
        reading = output(server, image=png_url())
        assert reading["digit"] == 6
        assert len(reading["probabilities"]) == 10
        assert sum(reading["probabilities"]) == pytest.approx(1, abs=0.01)
        assert "trained on 1500 digits" in server.health()["setup"]["logs"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [("hello", "Hello, Ada!"), ("resize", ""), ("tokens", "this is the answer"), ("digits", '"digit": 6')],
)
def test_the_command_of_each_readme_works(name: str, shown: str, tmp_path: Path) -> None:
    commands = [
        line.strip()
        for line in (EXAMPLES / name / "README.md").read_text().splitlines()
        if line.startswith("    cog predict ")
    ]
    [command] = commands
    _, *arguments = shlex.split(command.replace("small.png", str(tmp_path / "small.png")))
    assert shown in cog(*arguments, "--python", PYTHON, folder=EXAMPLES / name)
    if name == "resize":
        assert (tmp_path / "small.png").stat().st_size > 0
