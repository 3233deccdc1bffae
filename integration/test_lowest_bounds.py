"""The server works with the oldest releases that pyproject.toml allows; scripts/test installs them."""

import os
import subprocess
from pathlib import Path

import pytest
from testing.collector import collecting
from testing.http2 import fields, http2
from testing.installation import Installation
from testing.model import Model
from testing.server import Launch, serve

ROOT = Path(__file__).resolve().parents[1]
PYTHON = os.environ.get("PYCOGLET_LOWEST_PYTHON", "")
PACKAGES = (
    "coglet_protocol",
    "coglet_schema",
    "cog",
    "coglet",
    "coglet_worker",
    "coglet_supervisor",
    "coglet_cli",
)
IMPORT_ALL = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
"""

pytestmark = pytest.mark.skipif(not PYTHON, reason="scripts/test makes the environment of the lower bounds")


def test_every_module_can_be_imported() -> None:
    subprocess.run([PYTHON, "-c", IMPORT_ALL, *PACKAGES], check=True, timeout=60)


def test_a_prediction_over_http() -> None:
    done = subprocess.run(
        [Path(PYTHON).with_name("cog"), "predict", "-i", "name=Ada"],
        cwd=ROOT / "examples" / "hello",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "Hello, Ada!\n"), done.stderr


def test_http_2() -> None:
    """We override private parts of Hypercorn, so each supported release must be tested."""
    with (
        serve(Installation.at(Path(PYTHON)), Model.named("echo"), Launch()) as server,
        http2(server.address) as client,
    ):
        assert client.request(fields()) == (200, b"ok")
        assert client.request([(b":method", b"CONNECT"), (b":authority", b"localhost:1")]) == (400, b"")
        post = fields(b"POST", b"/predictions", (b"content-type", b"application/json"))
        assert client.request(post, b"[]")[0] == 422
        assert client.request(fields()) == (200, b"ok")


def test_traces() -> None:
    with (
        collecting() as collector,
        serve(
            Installation.at(Path(PYTHON)), Model.named("echo"), Launch(variables=collector.variables)
        ) as server,
    ):
        server.predict({})
        collector.wait_spans("POST /predictions")
