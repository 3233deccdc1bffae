"""cog.yaml: its keys, and the errors for text with another structure."""

from pathlib import Path

import pytest
from tests.cli.conftest import Load, Problems

from coglet_cli.config import Build, CogConfig, Mount, RunCommand, Weight, WeightSource, load_config
from coglet_cli.errors import ConfigError

EVERYTHING = """\
build:
  python_version: 3.10
  gpu: true
  cuda: 11.8
  cudnn: 8
  python_requirements: requirements.txt
  system_packages: [ffmpeg]
  run:
    - echo one
    - command: cat /secret
      mounts: [{type: secret, id: token, target: /secret}]
  sdk_version: 0.23.0
  user: 10001
  fast: true
run: run.py:Runner
train: train.py:Trainer
model: registry.example.com:5000/someone/model
environment:
  - NAME=value
  - EMPTY=
  - EQUALS=a=b
weights:
  - name: big
    target: /weights/big
    source: {uri: "file:./w", include: ["*.bin"]}
  - name: small
    target: /weights/small
    source: [{uri: "https://host/a"}, {uri: "https://host/b", exclude: [b.txt]}]
"""


def test_all_keys(load: Load) -> None:
    text = EVERYTHING.replace("cuda: 11.8", "cuda: 12.3").replace("cudnn: 8", "cudnn: 9")
    loaded = load(text)
    assert loaded.warnings == ()
    assert loaded.config == CogConfig(
        build=Build(
            # Written as a number, but read as text.
            python_version="3.10",
            gpu=True,
            cuda="12.3",
            cudnn="9",
            python_requirements="requirements.txt",
            system_packages=("ffmpeg",),
            run=(
                RunCommand("echo one"),
                RunCommand("cat /secret", (Mount("secret", "token", "/secret"),)),
            ),
            sdk_version="0.23.0",
            user=10001,
            fast=True,
        ),
        run="run.py:Runner",
        train="train.py:Trainer",
        model="registry.example.com:5000/someone/model",
        environment={"NAME": "value", "EMPTY": "", "EQUALS": "a=b"},
        weights=(
            Weight("big", "/weights/big", (WeightSource("file:./w", ("*.bin",)),)),
            Weight(
                "small",
                "/weights/small",
                (WeightSource("https://host/a"), WeightSource("https://host/b", (), ("b.txt",))),
            ),
        ),
    )


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "build:\n"])
def test_defaults(load: Load, text: str) -> None:
    assert load(text).config == CogConfig(build=Build(python_version="3.13"))


def test_whitespace_around_the_name_of_a_variable_is_stripped(load: Load) -> None:
    text = "environment: ['A = 1', ' B=2', 'C= 3', 'D =a = b']"
    assert load(text).config.environment == {"A": "1", "B": "2", "C": " 3", "D": "a = b"}


def test_lists_may_be_null(load: Load) -> None:
    text = "build: {python_version: '3.12', run: , system_packages: }\nenvironment:\nweights:\n"
    assert load(text).config == CogConfig(build=Build(python_version="3.12"))


def test_anchors_and_merges(load: Load) -> None:
    text = "build: &b {python_version: '3.12'}\nrun: a.py:A\nenvironment: [A=1]\n"
    assert load(text).config.run == "a.py:A"
    text = "build:\n  <<: {gpu: true}\n  python_version: '3.12'\n"
    assert load(text).config.build.gpu is True


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("predict: predict.py:P", 'cog.yaml:1: deprecated field "predict": use "run" instead'),
        (
            "run: a.py:A\nconcurrency:\n  max: 2",
            'cog.yaml:3: deprecated field "concurrency.max": use "@cog.concurrent(max=...)" instead',
        ),
        (
            "build:\n  python_version: '3.12'\n  python_packages: [a==1]",
            'cog.yaml:3: deprecated field "build.python_packages": use "build.python_requirements" instead',
        ),
        (
            "build:\n  python_version: '3.12'\n  pre_install: [ls]",
            'cog.yaml:3: deprecated field "build.pre_install": use "build.run" instead',
        ),
        ("\nrnu: a.py:A", 'cog.yaml:2: unknown key "rnu"; did you mean "run"?'),
        ("xyzzy: 1", 'cog.yaml:1: unknown key "xyzzy"'),
        (
            "build:\n  python_version: '3.12'\n  run:\n    - {command: a, mouts: []}",
            'cog.yaml:4: unknown key "build.run[0].mouts"; did you mean "mounts"?',
        ),
        ("cog_runtime: true", 'cog.yaml:1: field "cog_runtime" has no effect; remove it'),
    ],
)
def test_warnings(load: Load, text: str, warning: str) -> None:
    assert load(text).warnings == (warning,)


def test_predict_is_an_alias_of_run(load: Load) -> None:
    assert load("predict: predict.py:P").config.run == "predict.py:P"


def test_the_hint_of_an_autoscaler_is_dropped(load: Load) -> None:
    assert load("concurrency: {default_target: 3}").config.max_concurrency is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [", "failed to parse cog.yaml: invalid YAML: line 1: expected the node content"),
        ("run: a\n  b: c", "failed to parse cog.yaml: invalid YAML: line 2: mapping values are not allowed"),
        ("run: a.py:A\nrun: b.py:B", 'invalid YAML: line 2: key "run" is already set on line 1'),
        ("? [a]\n: b", "invalid YAML: line 1: a key must be a scalar"),
        ("run: !!python/name:os.system x", "invalid YAML: line 1: the YAML type python/name:os.system"),
        ("run: !!binary aGk=", "invalid YAML: line 1: the YAML type binary is not allowed here"),
        ("build: &a\n  run: [*a]", "invalid YAML: line 1: an alias contains itself"),
        ("build: " + "[" * 2000, "failed to parse cog.yaml: invalid YAML"),
        ("run: \x01", "failed to parse cog.yaml: invalid YAML"),
        ("concurrency: {max: !!int x}", "failed to parse cog.yaml: invalid YAML"),
    ],
)
def test_invalid_yaml(problems: Problems, text: str, problem: str) -> None:
    (found,) = problems(text)
    assert problem in found


def test_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "cog.yaml").write_bytes(b"run: \xff")
    with pytest.raises(ConfigError, match=r"^failed to parse cog.yaml: not UTF-8 text"):
        load_config(tmp_path / "cog.yaml", tmp_path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", 'cog.yaml:1: schema error in "cog.yaml": must be a mapping'),
        ("run: 3", 'cog.yaml:1: schema error in "run": must be a string'),
        ("run:", 'cog.yaml:1: schema error in "run": must be a string'),
        ("run: 2026-01-01\nbuild: 3", 'cog.yaml:2: schema error in "build": must be a mapping'),
        ("build:\n  user: you", 'cog.yaml:2: schema error in "build.user": must be an integer'),
        ("build:\n  gpu: 1", 'cog.yaml:2: schema error in "build.gpu": must be true or false'),
        (
            "build:\n  python_version: [3]",
            'cog.yaml:2: schema error in "build.python_version": must be a string or a number',
        ),
        (
            "build:\n  system_packages: ffmpeg",
            'cog.yaml:2: schema error in "build.system_packages": must be a list',
        ),
        (
            "build:\n  system_packages:\n    - a\n    - 3",
            'cog.yaml:4: schema error in "build.system_packages[1]": must be a string',
        ),
        (
            "build:\n  run:\n    - 3",
            'cog.yaml:3: schema error in "build.run[0]": must be a string or a mapping',
        ),
        (
            "build:\n  run:\n    - mounts: []",
            'cog.yaml:3: schema error in "build.run[0]": "command" is a required property',
        ),
        (
            "build:\n  run:\n    - command: ls\n      mounts: [{type: bind}]",
            'cog.yaml:4: schema error in "build.run[0].mounts[0].type": must be one of: secret, ssh',
        ),
        ("concurrency: {max: two}", 'cog.yaml:1: schema error in "concurrency.max": must be an integer'),
        (
            "weights: [{source: {include: []}}]",
            'cog.yaml:1: schema error in "weights[0].source": "uri" is a required property',
        ),
    ],
)
def test_wrong_structure(problems: Problems, text: str, problem: str) -> None:
    assert problems(text) == [problem]
