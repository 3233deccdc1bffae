"""What a server decides before it serves: its workers, and with which settings it does not start."""

import sys
from pathlib import Path
from typing import Any

import pytest

from coglet_supervisor.end_deadline import EndDeadline
from coglet_supervisor.errors import StartupError
from coglet_supervisor.predictions.schema_source import SchemaSource
from coglet_supervisor.server import Server
from coglet_supervisor.server_log import ServerLog
from coglet_supervisor.settings import Settings
from coglet_supervisor.workers.spec import WorkerSpec, worker_specs

MODEL = """
import cog

class Predictor(cog.BasePredictor):
    @cog.concurrent(max=3)
    async def predict(self) -> str:
        return ""
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "predict.py").write_text(MODEL)
    return tmp_path


def specs(project: Path, **changes: Any) -> list[WorkerSpec]:
    settings = Settings(**{"predictor_ref": "predict.py:Predictor", "project_dir": project, **changes})
    return worker_specs(settings, SchemaSource(settings))


def test_without_a_model_there_is_no_worker(project: Path) -> None:
    assert specs(project, predictor_ref=None) == []


def test_a_worker_gets_what_the_settings_say(project: Path) -> None:
    (spec,) = specs(
        project, is_train=True, cancel_grace_s=3.0, worker_max_predictions=4, worker_max_rss_bytes=5
    )
    assert (spec.python, spec.predictor_ref, spec.is_train) == (sys.executable, "predict.py:Predictor", True)
    assert (spec.directory, spec.cancel_grace_s) == (project, 3.0)
    assert (spec.max_predictions, spec.max_rss_bytes) == (4, 5)


@pytest.mark.parametrize(("max_concurrency", "slots"), [(None, 3), (1, 1), (8, 8)])
def test_the_setting_wins_over_the_model(project: Path, max_concurrency: int | None, slots: int) -> None:
    (spec,) = specs(project, max_concurrency=max_concurrency)
    assert spec.num_slots == slots


def test_each_worker_has_an_environment_of_its_own(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "all")
    monkeypatch.setenv("OTHER", "kept")
    found = specs(project, workers=2, worker_environment="CUDA_VISIBLE_DEVICES={index}")
    assert [spec.environment["CUDA_VISIBLE_DEVICES"] for spec in found] == ["0", "1"]
    assert [spec.environment["OTHER"] for spec in found] == ["kept", "kept"]


@pytest.mark.parametrize("name", ["COG_API_TOKEN", "WEBHOOK_AUTH_TOKEN", "WEBHOOK_SIGNING_SECRET"])
def test_no_worker_gets_a_secret_of_the_server(
    project: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "sesame")
    (spec,) = specs(project)
    assert "sesame" not in spec.environment.values()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"upload_url": "ftp://files"}, "cannot upload output files: .*; correct --upload-url"),
        ({"upload_url": "nonsense"}, "cannot upload output files: "),
        ({"webhook_signing_secret": "whsec_?"}, "WEBHOOK_SIGNING_SECRET"),
    ],
)
async def test_settings_with_which_no_server_starts(
    server_log: ServerLog, changes: dict[str, str], text: str
) -> None:
    settings: dict[str, Any] = {"host": "127.0.0.1", "port": 0, **changes}
    with pytest.raises(StartupError, match=text):
        Server(Settings(**settings), server_log, EndDeadline(lambda: None))
