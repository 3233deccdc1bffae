"""The names that the documentation uses run without warnings, unless Python's filter enables them."""

from pathlib import Path
from typing import Final

import pytest
from integration.cli_process import run_cog, start_cog

pytestmark = pytest.mark.ours("the command line is not part of the server")

MODEL: Final = """
from cog import BasePredictor, Input

class Predictor(BasePredictor):
    def predict(self, text: str = Input(default="a")) -> str:
        return text
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "cog.yaml").write_text('predict: "predict.py:Predictor"\n')
    (tmp_path / "predict.py").write_text(MODEL)
    return tmp_path


def test_predict_prints_nothing_but_its_progress(project: Path) -> None:
    result = run_cog(project, "predict")
    assert (result.returncode, result.stdout) == (0, "a\n")
    assert result.stderr.splitlines() == [
        "Starting the model and running setup()...",
        "Running prediction...",
    ]


def test_serve_prints_nothing_but_its_progress(project: Path) -> None:
    with start_cog(project, "serve", "-p", "0") as server:
        server.wait_shown("The model is ready")
    assert [line.partition(" at ")[0] for line in server.err.splitlines()[:3]] == [
        "Starting predict.py:Predictor...",
        "Serving",
        "The model is ready",
    ]


def test_pythons_filter_enables_the_warnings(project: Path) -> None:
    result = run_cog(project, "predict", variables={"PYTHONWARNINGS": "default"})
    assert (result.returncode, result.stdout) == (0, "a\n")
    assert 'warning: cog.yaml:1: deprecated field "predict": use "run" instead' in result.stderr
    assert "predict.py:5: DeprecationWarning: Predictor.predict() is deprecated; use run() instead" in (
        result.stderr
    )
    assert "DeprecationWarning: BasePredictor is deprecated; use BaseRunner instead" in result.stderr


def test_the_doctor_suggests_the_other_names_on_request(project: Path) -> None:
    checks = {"COG_SKIP_DOCKER_CHECK": "1", "COG_SKIP_GPU_CHECK": "1"}
    healthy = run_cog(project, "doctor", variables=checks)
    assert healthy.stderr.endswith("\nno issues found\n")
    assert "deprecated;" not in healthy.stderr
    asked = run_cog(project, "doctor", variables={**checks, "PYTHONWARNINGS": "default"})
    assert "predict in cog.yaml is deprecated; use run with run.py:Runner" in asked.stderr
