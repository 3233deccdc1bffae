"""The flags of a build: which exclude each other, and their effects."""

from collections.abc import Callable
from pathlib import Path

import pytest

from coglet_cli.engine.build_options import BuildOptions
from coglet_cli.images.labels import cog_base_labels, with_legacy_labels
from coglet_cli.main import main

Fail = Callable[..., str]


@pytest.fixture
def fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fail:
    """Return a function that runs `cog` on the text of a cog.yaml, without an engine, and returns stderr."""
    (tmp_path / "run.py").write_text("def run(n: int) -> int:\n    return n\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")

    def run(text: str, *arguments: str) -> str:
        (tmp_path / "cog.yaml").write_text(f'run: "run.py:run"\n{text}\n')
        assert main(arguments) == 1
        return capsys.readouterr().err

    return run


@pytest.mark.parametrize("command", ["build", "push", "exec", "predict", "serve", "train", "debug"])
def test_only_one_flag_chooses_the_base_image(fail: Fail, command: str) -> None:
    arguments = ["--docker"] if command in ("predict", "serve") else []
    arguments += ["true"] if command == "exec" else []
    stderr = fail("", command, "--use-cuda-base-image", "false", "--dockerfile", "x", *arguments)
    assert stderr.endswith(
        "error: The flags --use-cuda-base-image and --dockerfile are mutually exclusive: "
        "you can only set one of them.\n"
    )


@pytest.mark.parametrize("flag", ["--x-fast", "--separate-weights", "--strip", "--precompile"])
def test_flags_that_exclude_dockerfile(fail: Fail, flag: str) -> None:
    assert fail("", "build", "--dockerfile", "x", flag) == (
        f"error: The flags {flag} and --dockerfile are mutually exclusive: you can only set one of them.\n"
    )


@pytest.mark.parametrize(
    ("text", "flags", "error"),
    [
        (
            "build: {python_version: '3.12', fast: true}",
            ("--dockerfile", "x"),
            "error: fast builds do not support --dockerfile; set fast: false\n",
        ),
        (
            "build: {python_version: '3.12', fast: true}",
            ("--separate-weights",),
            "error: fast builds do not support --separate-weights; set fast: false\n",
        ),
        (
            "build: {python_version: '3.12', gpu: true}",
            ("--platform", "linux/arm64"),
            "error: images with a GPU are supported only on linux/amd64\n\n"
            "hint: omit --platform, or set gpu: false\n",
        ),
        (
            "",
            ("--platform", "linux/arm64", "--use-cog-base-image", "true"),
            "error: cog-base images exist only for linux/amd64\n\nhint: omit --use-cog-base-image\n",
        ),
    ],
)
def test_unsupported_combinations(fail: Fail, text: str, flags: tuple[str, ...], error: str) -> None:
    assert fail(text, "debug", *flags) == error


def test_other_platforms_are_unknown(fail: Fail) -> None:
    stderr = fail("", "build", "--platform", "windows/amd64")
    assert (
        "invalid value for '--platform': 'windows/amd64' is not one of 'linux/amd64', 'linux/arm64'" in stderr
    )


def test_unknown_keys_are_errors_with_strict(fail: Fail) -> None:
    text = "buidl: {gpu: true}\ntrain: t"
    assert fail(text, "build", "--strict") == (
        "error: cog.yaml:3: invalid train \"t\": must be in the form 'train.py:Trainer'\n"
        'cog.yaml:2: unknown key "buidl"; did you mean "build"?\n'
    )
    assert fail("buidl: {}", "push", "--strict") == (
        'error: cog.yaml:2: unknown key "buidl"; did you mean "build"?\n'
    )
    assert fail("buidl: {}", "push").startswith(
        'warning: cog.yaml:2: unknown key "buidl"; did you mean "build"?\n'
    )


def test_the_time_is_a_build_argument() -> None:
    assert BuildOptions(timestamp=0).arguments == {"SOURCE_DATE_EPOCH": "0"}
    assert BuildOptions().arguments == {}


def test_labels_of_a_cog_base_image() -> None:
    assert cog_base_labels("r8.im/cog-base:python3.12", ["sha256:a", "sha256:b"]) == {
        "run.cog.cog-base-image-name": "r8.im/cog-base:python3.12",
        "run.cog.cog-base-image-last-layer-sha": "sha256:b",
        "run.cog.cog-base-image-last-layer-idx": "1",
    }


def test_legacy_labels_are_added_to_the_others() -> None:
    labels = {"run.cog.version": "1", "run.cog.config": "{}", "run.cog.openapi_schema": "", "x": "y"}
    assert with_legacy_labels(labels) == {
        **labels,
        "org.cogmodel.cog_version": "1",
        "org.cogmodel.config": "{}",
        "org.cogmodel.openapi_schema": "",
    }
