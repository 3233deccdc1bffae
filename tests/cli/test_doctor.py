"""`cog doctor`: its findings in a folder, its fixes, and its exit code."""

from pathlib import Path

import pytest
from tests.cli.doctoring import HEALTHY, doctor, write

from coglet_cli.doctor.machine_checks import look_docker, look_gpu, look_python
from coglet_cli.doctor.subject import Skipped, Subject

OLD = '''\
"""Squares."""
from cog import BasePredictor, Input  # the old names


class Predictor(BasePredictor):
    def setup(self) -> None:
        self.model = make_model()

    def predict(self, n: int = Input(default=2)) -> int:
        return self.model.predict(n) or self.predict(n)
'''
NEW = '''\
"""Squares."""
from cog import BaseRunner, Input  # the old names


class Runner(BaseRunner):
    def setup(self) -> None:
        self.model = make_model()

    def run(self, n: int = Input(default=2)) -> int:
        return self.model.predict(n) or self.run(n)
'''


def test_a_folder_without_problems(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, "run: run.py:Runner\n", run=HEALTHY)
    code, shown = doctor(capsys)
    assert code == 0
    assert shown == (
        "warning: NOTE: cog doctor is experimental. Behavior and checks may change in future versions.\n"
        "Running cog doctor...\n"
        "\nConfig\n"
        "  ok       config-parse\n"
        "  ok       config-schema\n"
        "  ok       predict-to-run-migration\n"
        "  ok       config-deprecated-fields\n"
        "  ok       config-predict-ref\n"
        "\nPython\n"
        "  ok       python-pydantic-basemodel\n"
        "  ok       python-deprecated-imports\n"
        "  ok       python-missing-type-annotations\n"
        "  ok       python-none-defaults\n"
        "  ok       python-text-for-file\n"
        "  ok       python-schema\n"
        "\nBuild\n"
        "  ok       build-plan\n"
        "\nEnvironment\n"
        "  skipped  env-docker (COG_SKIP_DOCKER_CHECK is set)\n"
        "  ok       env-python-version\n"
        "  skipped  env-gpu-compat (COG_SKIP_GPU_CHECK is set)\n"
        "\nno issues found\n"
    )


@pytest.mark.parametrize(
    ("config", "finding"),
    [
        (None, "  error    config-parse\n      cog.yaml not found\n"),
        ("run: [", "cog.yaml has invalid YAML: line 1: "),
        ("run: [a]\n", 'cog.yaml:1 — cog.yaml validation failed: schema error in "run": must be a string'),
        ("\nrun: run.py\n", "cog.yaml:2 — cog.yaml validation failed: invalid run"),
        ("run: none.py:Runner\n", "  error    config-predict-ref\n      cog.yaml:1 — none.py not found\n"),
        ("run: run.py:Walker\n", 'cog.yaml:1 — class "Walker" not found in run.py; found: Runner\n'),
        ("train: broken.py:train\nrun: run.py:Runner\n", "cog.yaml:1 — broken.py cannot be read: "),
    ],
)
def test_errors_in_the_configuration(
    folder: Path, capsys: pytest.CaptureFixture[str], config: str | None, finding: str
) -> None:
    write(folder, config or "", run=HEALTHY, broken="def train(:\n")
    if config is None:
        (folder / "cog.yaml").unlink()
    code, shown = doctor(capsys)
    assert code == 1
    assert finding in shown
    assert shown.endswith("\nFound 1 error.\n")


def test_functions_and_assigned_names_are_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(
        folder, "run: run.py:run\ntrain: run.py:train\n", run="def run() -> int:\n  return 1\ntrain = run\n"
    )
    assert doctor(capsys)[0] == 0


def test_a_deprecated_field_is_a_warning(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, "run: run.py:Runner\nconcurrency:\n  max: 1\n", run=HEALTHY)
    code, shown = doctor(capsys)
    assert code == 0
    assert 'cog.yaml:3 — "concurrency.max" is deprecated: use "@cog.concurrent(max=...)" instead' in shown
    assert shown.endswith("\nFound 1 warning.\n")


def test_missing_annotations(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = (
        "class Runner:\n    def run(self, a, *, b: int):\n        return a\n    def other(self, x): ...\n"
    )
    write(folder, "run: run.py:Runner\n", run=source)
    code, shown = doctor(capsys)
    assert code == 1  # a build would reject it, too
    assert "run.py:2 — run() has no return type annotation\n" in shown
    assert 'run.py:2 — parameter "a" of run() has no type annotation\n' in shown
    assert shown.endswith("\nFound 1 error, 2 warnings.\n")


def test_a_model_with_old_names_is_migrated(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, "# mine\npredict: 'predict.py:Predictor'  # here\nimage: a/b\n", predict=OLD)
    code, shown = doctor(capsys)
    assert code == 0
    assert "cog.yaml:2 — predict in cog.yaml is deprecated; use run with run.py:Runner\n" in shown
    assert "predict.py:5 — predict.py uses deprecated Predictor/BasePredictor/predict() names\n" in shown
    assert shown.endswith('\nFound 2 warnings. Run "cog doctor --fix" to auto-fix.\n')
    code, shown = doctor(capsys, "--fix")
    assert code == 0
    assert "Running cog doctor --fix...\n" in shown
    assert "  fixed    predict-to-run-migration\n" in shown
    assert shown.endswith("\nFixed 2 issues.\n")
    assert (folder / "run.py").read_text() == NEW
    assert not (folder / "predict.py").exists()
    assert (folder / "cog.yaml").read_text() == '# mine\nrun: "run.py:Runner"  # here\nimage: a/b\n'
    assert doctor(capsys)[1].endswith("\nno issues found\n")


MANUAL = "Manual migration required:"


@pytest.mark.parametrize(
    ("config", "files", "reason"),
    [
        (
            "predict: predict.py:Predictor\n",
            {"run": ""},
            "cannot migrate predict.py to run.py because run.py",
        ),
        ("run: predict.py:Predictor\n", {}, "automatic migration cannot run when run is already set"),
        (
            "predict: predict.py:Model\n",
            {"predict": OLD.replace("Predictor(", "Model(")},
            f"{MANUAL} automatic migration only supports predict.py:Predictor",
        ),
        (
            "{predict: predict.py:Predictor}\n",
            {},
            f"{MANUAL} the predict: line in cog.yaml is not in the plain form",
        ),
        (
            "predict: predict.py:Predictor\n",
            {"other": "from predict import Predictor\n"},
            f"{MANUAL} other.py imports predict",
        ),
        (
            "predict: predict.py:Predictor\ntrain: predict.py:train\n",
            {"predict": OLD + "def train() -> int: ...\n"},
            f"{MANUAL} train refers to predict.py too",
        ),
        (
            "predict: predict.py:Predictor\n",
            {
                "predict": OLD.replace("BasePredictor, ", "BasePredictor as Base, ").replace(
                    "(BaseP", "(BaseP"
                )
            },
            f"{MANUAL} BasePredictor is imported under another name",
        ),
        (
            "predict: predict.py:Predictor\n",
            {"predict": OLD.replace("(BasePredictor)", "(Mixin)")},
            f"{MANUAL} Predictor has another base: Mixin",
        ),
        (
            "predict: predict.py:Predictor\n",
            {"predict": OLD + "\n    def run(self) -> int: ...\n"},
            f"{MANUAL} Predictor must have exactly one of predict() and run()",
        ),
        (
            "predict: predict.py:Predictor\n",
            {"predict": OLD + "\nRunner = 1\n"},
            f"{MANUAL} predict.py uses the name Runner already",
        ),
        (
            "predict: predict.py:Predictor\n",
            {"predict": OLD + "\nclass Outer:\n    class Predictor: ...\n"},
            f"{MANUAL} predict.py has 2 classes named Predictor",
        ),
    ],
)
def test_a_migration_that_must_be_done_by_hand(
    folder: Path, capsys: pytest.CaptureFixture[str], config: str, files: dict[str, str], reason: str
) -> None:
    write(folder, config, **{"predict": OLD, **files})
    before = {path.name: path.read_text() for path in folder.iterdir()}
    _, shown = doctor(capsys, "--fix")
    assert f"      Remediation: {reason}" in shown
    assert "\nFixed 0 issues. " in shown
    assert {path.name: path.read_text() for path in folder.iterdir()} == before


MODEL = """\
from cog import BaseRunner
from pydantic import BaseModel, ConfigDict
class Report(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    n: int
class Runner(BaseRunner):
    def run(self) -> Report: ...
"""


def test_a_pydantic_model_gets_the_base_of_cog(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, "run: run.py:Runner\n", run=MODEL)
    code, shown = doctor(capsys)
    assert code == 1
    text = "Report inherits from pydantic.BaseModel with arbitrary_types_allowed; use cog.BaseModel instead"
    assert f"run.py:3 — {text}\n" in shown
    assert shown.endswith('\nFound 1 error. Run "cog doctor --fix" to auto-fix.\n')
    code, shown = doctor(capsys, "--fix")
    assert (code, shown.splitlines()[-1]) == (0, "Fixed 1 issue.")
    assert (folder / "run.py").read_text() == (
        "from cog import BaseRunner\nfrom cog import BaseModel\nclass Report(BaseModel):\n    n: int\n"
        "class Runner(BaseRunner):\n    def run(self) -> Report: ...\n"
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("=True)", "=True, frozen=True)"), "Report also has other pydantic settings"),
        (
            ("class Runner", "class Other(BaseModel): ...\nclass Runner"),
            "run.py also uses pydantic.BaseModel for other",
        ),
        (
            ("Report(BaseModel)", "Report(BaseModel, Mixin)"),
            "Report has other bases; make cog.BaseModel its only base by hand",
        ),
    ],
)
def test_a_pydantic_model_that_must_be_changed_by_hand(
    folder: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], reason: str
) -> None:
    source = MODEL.replace(*change)
    write(folder, "run: run.py:Runner\n", run=source)
    code, shown = doctor(capsys, "--fix")
    assert code == 1
    assert f"      Remediation: {reason}" in shown
    assert shown.endswith("\nFixed 0 issues. 1 unfixed error.\n")
    assert (folder / "run.py").read_text() == source


def test_an_import_that_was_removed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "ExperimentalFeatureWarning"
    imports = f"from cog.types import {name}\nfrom cog.types import File, {name}\n"
    write(folder, "run: run.py:Runner\n", run=HEALTHY, below=imports)
    code, shown = doctor(capsys)
    assert code == 1
    assert "below.py:1 — cog.types.ExperimentalFeatureWarning was removed from cog\n" in shown
    assert doctor(capsys, "--fix")[0] == 0
    assert (folder / "below.py").read_text() == "from cog.types import File\n"
    write(folder, "run: run.py:Runner\n", below=imports + "print(ExperimentalFeatureWarning)\n")
    code, shown = doctor(capsys, "--fix")
    assert code == 1
    assert "      Remediation: remove the uses of ExperimentalFeatureWarning first (below.py:3)\n" in shown


def test_a_line_with_two_statements_is_not_fixed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = "import os; from cog.types import ExperimentalFeatureWarning\n"
    write(folder, "run: run.py:Runner\n", run=HEALTHY, below=source)
    code, shown = doctor(capsys, "--fix")
    assert code == 1
    assert "      Remediation: line 1 holds more than one statement\n" in shown
    assert (folder / "below.py").read_text() == source


def test_a_configuration_that_is_not_a_mapping(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, "[]\n")
    code, shown = doctor(capsys)
    assert code == 1
    assert 'cog.yaml:1 — cog.yaml validation failed: schema error in "cog.yaml": must be a mapping\n' in shown
    assert "  skipped  config-predict-ref (cog.yaml is not a mapping)\n" in shown


def test_what_no_rule_can_fix_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, "run: none.py:Runner\n")
    code, shown = doctor(capsys, "--fix")
    assert code == 1
    assert "cog.yaml:1 — none.py not found\n      (no auto-fix available)\n" in shown


def test_files_of_an_environment_are_not_the_models(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, "run: run.py:Runner\n", run=HEALTHY)
    for place in ("venv", ".hidden"):
        (folder / place).mkdir()
        (folder / place / "a.py").write_text("from cog.types import ExperimentalFeatureWarning\n")
    (folder / "venv" / "pyvenv.cfg").touch()
    assert doctor(capsys)[0] == 0


def test_the_engine_does_not_respond(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COG_SKIP_DOCKER_CHECK")
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    (finding,) = look_docker(Subject(folder, "cog.yaml"))
    assert finding.message.startswith("Docker is not available: error pinging docker daemon: ")
    assert finding.remediation is not None
    assert "COG_SKIP_DOCKER_CHECK" in finding.remediation


def test_no_python_of_the_version(folder: Path) -> None:
    write(folder, "build: {python_version: '3.77'}\n")
    (finding,) = look_python(Subject(folder, "cog.yaml"))
    assert finding.message.startswith(
        "cog.yaml asks for Python 3.77, which this machine lacks; cog runs on 3."
    )


@pytest.mark.parametrize(
    ("capability", "build", "messages"),
    [
        ("12.0", "cuda: '12.4'", ["needs CUDA 12.8 or newer, but the model uses 12.4"]),
        ("9.0", "cuda: '11.7'", ["needs CUDA 11.8 or newer, but the model uses 11.7"]),
        ("9.0", "python_packages: [torch==2.0.0]", ["needs torch 2.0.1 or newer, but the model uses 2.0.0"]),
        ("8.6", "cuda: '11.7'", []),
        ("10.0", "cuda: '12.8'", []),
        ("12.0", "python_packages: [torch==2.10.0]", []),
    ],
)
def test_gpus_that_are_too_new(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capability: str, build: str, messages: list[str]
) -> None:
    monkeypatch.delenv("COG_SKIP_GPU_CHECK")
    (folder / "nvidia-smi").write_text(f"#!/bin/sh\necho {capability}\n")
    (folder / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    write(folder, f"build: {{python_version: '3.11', gpu: true, {build}}}\n")
    found = look_gpu(Subject(folder, "cog.yaml"))
    texts = [f"GPU with compute capability {capability} {message}" for message in messages]
    assert [finding.message for finding in found] == texts


def test_a_machine_without_gpu(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COG_SKIP_GPU_CHECK")
    monkeypatch.setenv("PATH", str(folder))
    write(folder, "build: {python_version: '3.11', gpu: true}\n")
    with pytest.raises(Skipped, match="nvidia-smi finds no GPU"):
        look_gpu(Subject(folder, "cog.yaml"))
