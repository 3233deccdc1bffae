"""Requests that nobody thought of: schemathesis makes them from each example's own document."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from integration.conftest import Serve
from integration.harness.model import Model

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PYTHON = os.environ.get("PYCOGLET_EXAMPLES_PYTHON", "")

pytestmark = [
    pytest.mark.ours("the peer generates no schema at run time"),
    pytest.mark.skipif(not PYTHON, reason="scripts/test makes the environment of the examples"),
]


@pytest.mark.parametrize("name", sorted(folder.name for folder in EXAMPLES.iterdir()))
def test_no_request_is_answered_by_a_server_error(name: str, serve: Serve) -> None:
    folder = EXAMPLES / name
    config = yaml.safe_load((folder / "cog.yaml").read_text())
    # The example `tokens` may pause for ten seconds a word, which would be most of the time of this test.
    source = (folder / "predict.py").read_text().replace("le=10", "le=0.1")
    model = Model(source, ref=config.get("run") or config["predict"])
    with serve(model, variables={"COG_WORKER_PYTHON": PYTHON, "COG_LOG_LEVEL": "error"}) as server:
        command = [
            str(Path(sys.executable).with_name("st")),
            "run",
            f"http://127.0.0.1:{server.address.port}/openapi.json",
            "--checks=not_a_server_error",
            "--phases=fuzzing",
            "--max-examples=25",
            "--seed=1",
            "--no-color",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=server.scratch)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
        assert server.health()["status"] == "READY"
