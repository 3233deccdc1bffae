"""`cog doctor` plans the image as `cog build` does, without an engine, and reports what it would reject."""

from pathlib import Path

import pytest
from tests.cli.doctoring import HEALTHY, doctor, write

from coglet_cli.main import main

BUILD = "run: run.py:Runner\nbuild:\n  python_version: '3.12'\n"
REQUIREMENTS = BUILD + "  python_requirements: requirements.txt\n"
WEIGHTS = """\
model: registry.example.com/me/model
weights:
  - {name: base, target: /src/weights, source: {uri: "file://weights"}}
"""


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let neither an engine nor a registry respond."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    monkeypatch.setenv("COG_REGISTRY_HOST", "127.0.0.1:1")


@pytest.mark.parametrize(
    ("config", "requirements", "message"),
    [
        (REQUIREMENTS, "-r missing.txt\n", "failed to read "),
        (REQUIREMENTS, "a @ file:///opt/a.whl\n", "local file URL requirements are not supported: a @"),
        (REQUIREMENTS, "./none.whl\n", 'local Python package artifact "./none.whl" not found'),
        (REQUIREMENTS + "  gpu: true\n", "tensorflow==99.1\n", "cog doesn't know what CUDA"),
        (BUILD + "  fast: true\n  run: [make]\n", "", "fast builds do not support run commands"),
        (BUILD + "  sdk_version: 0.0.1\n", "", "cog version 0.0.1 is below the minimum required version"),
        (BUILD + "concurrency: {max: 2}\n", "", "concurrency.max > 1 requires an async run()"),
        (BUILD + WEIGHTS, "", "managed weights configured but no lockfile found: "),
    ],
)
def test_what_a_build_would_refuse_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str], config: str, requirements: str, message: str
) -> None:
    write(folder, config, run=HEALTHY)
    (folder / "requirements.txt").write_text(requirements)
    code, shown = doctor(capsys)
    assert code == 1
    assert f"  error    build-plan\n      {message}" in shown
    if config != BUILD + WEIGHTS:  # a build checks weights separately
        assert main(["debug", "--use-cog-base-image", "false"]) == 1
        message = capsys.readouterr().err.split("error: ")[1].partition("\n")[0]
        assert message in shown


def test_the_remediation_is_shown_with_fix(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, BUILD + "  fast: true\n  run: [make]\n  sdk_version: 0.0.1\n", run=HEALTHY)
    assert "Remediation: build.sdk_version must be a version of" in doctor(capsys, "--fix")[1]


def test_variables_of_a_build_are_considered(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, BUILD, run=HEALTHY)
    monkeypatch.setenv("COG_CA_CERT", "nonsense")
    code, shown = doctor(capsys)
    assert code == 1
    assert "  error    build-plan\n      COG_CA_CERT: invalid value" in shown


@pytest.mark.parametrize("more", ["  fast: true\n", "  gpu: true\n", "  run: [make]\n"])
def test_a_base_is_assumed_to_exist(folder: Path, capsys: pytest.CaptureFixture[str], more: str) -> None:
    write(folder, REQUIREMENTS + more, run=HEALTHY)
    (folder / "requirements.txt").write_text("torch==2.3.1\n")
    code, shown = doctor(capsys)
    assert code == 0, shown
    assert "  ok       build-plan\n" in shown
    assert "warning: Could not find" not in shown


def test_a_configuration_without_a_model_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, "build: {python_version: '3.12'}\n")
    code, shown = doctor(capsys)
    assert code == 1
    assert "  error    config-predict-ref\n      cog.yaml — no predict or train reference found" in shown


@pytest.mark.parametrize("config", ["run: [\n", "run: [a]\n"])
def test_what_is_not_valid_cannot_be_planned(
    folder: Path, capsys: pytest.CaptureFixture[str], config: str
) -> None:
    write(folder, config, run=HEALTHY)
    assert "  skipped  build-plan (cog.yaml is not valid)\n" in doctor(capsys)[1]


def test_schema_problems_are_not_repeated(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, BUILD, run=HEALTHY.replace("n: int", "n: int = make()"))
    shown = doctor(capsys)[1]
    assert "  error    python-schema\n" in shown
    assert "  skipped  build-plan (the schema of the model cannot be read)\n" in shown
