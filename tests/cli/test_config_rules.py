"""The rules for the values of a cog.yaml, each with its error text."""

import pytest
from tests.cli.conftest import Load, Problems

BUILD = "build:\n  python_version: '3.12'\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        # references
        (
            "run: a.py:A\npredict: b.py:B",
            "cog.yaml:2: invalid predict: only one of run or predict can be set",
        ),
        ("run: run.py", "cog.yaml:1: invalid run \"run.py\": must be in the form 'run.py:Runner'"),
        ("run: run:Runner", "must be in the form 'run.py:Runner'"),
        ("run: a.py:b.py:C", "must be in the form 'run.py:Runner'"),
        ("run: .py:C", "must be in the form 'run.py:Runner'"),
        ("predict: predict.py", "invalid predict \"predict.py\": must be in the form 'predict.py:Predictor'"),
        ("train: train", "invalid train \"train\": must be in the form 'train.py:Trainer'"),
        # build
        (
            "build: {gpu: false}",
            "cog.yaml:1: invalid build.python_version: python_version is required. Add it to the build "
            'section of your cog.yaml, e.g. `python_version: "3.13"`',
        ),
        ("build: {python_version: 3}", 'invalid build.python_version "3": must include major and minor'),
        ("build: {python_version: '3.1.2.3'}", "must include major and minor version (e.g., '3.11')"),
        ("build: {python_version: 'x.1'}", 'invalid build.python_version "x.1": invalid major version'),
        ("build: {python_version: '3.x'}", "invalid minor version number"),
        ("build: {python_version: '3.12.x'}", "invalid patch version number"),
        (
            "build: {python_version: '3.12', user: -1}",
            'cog.yaml:1: invalid build.user "-1": must be a number from 0 to 2147483647',
        ),
        (
            "build: {python_version: 3.9}",
            'cog.yaml:1: invalid build.python_version "3.9": minimum supported Python version is 3.10',
        ),
        (
            BUILD + "  python_packages: [a==1]\n  python_requirements: requirements.txt",
            "cog.yaml:1: invalid build: only one of python_packages or python_requirements can be set, "
            "not both",
        ),
        (
            BUILD + "  python_requirements: none.txt",
            'cog.yaml:3: invalid build.python_requirements "none.txt": file does not exist',
        ),
        (
            BUILD + "  cuda: 11",
            'cog.yaml:3: invalid build.cuda "11": must include both major and minor versions '
            "(e.g., '11.8')",
        ),
        (BUILD + "  cuda: a.8", 'invalid build.cuda "a.8": invalid major version number'),
        (BUILD + "  cuda: 10.2", 'invalid build.cuda "10.2": minimum supported CUDA version is 11'),
        (
            BUILD + "  gpu: true\n  cuda: 11.8\n  cudnn: 9",
            'cog.yaml:5: invalid build.cudnn "9": CUDA 11.8 is incompatible with CuDNN 9: '
            "compatible CuDNN versions are: 8",
        ),
        (
            BUILD + "  gpu: true\n  cuda: 11.8\n  python_requirements: requirements.txt",
            'cog.yaml:4: invalid build.cuda "11.8": TensorFlow 2.15.0 is incompatible with CUDA 11.8: '
            "TensorFlow 2.15.0 requires CUDA 12.2",
        ),
        (
            BUILD + "  gpu: true\n  cuda: 12.1\n  python_packages: ['tensorflow[and-cuda] == 2.12.0']",
            "TensorFlow 2.12.0 requires CUDA 11.8",
        ),
        # concurrency
        ("concurrency: {max: 0}", 'cog.yaml:1: invalid concurrency.max "0": must be at least 1'),
        (
            "concurrency: {max: 2}\nbuild: {python_version: '3.10'}",
            'invalid concurrency.max "2": concurrency requires Python 3.11 or higher',
        ),
        # environment
        (
            "environment:\n  - A",
            'cog.yaml:2: invalid environment[0]: environment variable "A" is not in the KEY=VALUE format',
        ),
        ("environment: [=1]", 'environment variable "=1" is not in the KEY=VALUE format'),
        ("environment: [' =1']", 'environment variable " =1" is not in the KEY=VALUE format'),
        ("environment: [A B=1]", 'environment variable "A B=1" is not in the KEY=VALUE format'),
        ("environment: [A = 1, A=2]", 'environment variable "A" is already defined'),
        ("environment: [A=1, A=2]", 'environment variable "A" is already defined'),
        (
            "environment: [PATH=/bin]",
            'environment variable "PATH" is not allowed: reserved for internal use',
        ),
        ("environment: [NVIDIA_X=1]", 'environment variable "NVIDIA_X" is not allowed: reserved'),
        # model
        ("model: a/b\nimage: c", "cog.yaml:1: invalid model: 'model' and 'image' cannot both be set"),
        (
            "model: host.com/a:v1",
            'invalid model "host.com/a:v1": must be a bare repository — tags and digests are not allowed',
        ),
        ("model: a@sha256:00", "must be a bare repository"),
        ("model: Upper/case", 'invalid model "Upper/case": invalid repository: '),
        # weights
        (
            "image: i\nweights: [{name: a, target: /a, source: {uri: u}}]",
            "cog.yaml:1: invalid image: weights require 'model', not 'image' — rename 'image' to 'model'",
        ),
        (
            "weights: [{name: a, target: /a, source: {uri: u}}]",
            "invalid model: weights require 'model' in cog.yaml — rename 'image' to 'model'",
        ),
    ],
)
def test_rules(problems: Problems, text: str, problem: str) -> None:
    (found,) = problems(text)
    assert problem in found


@pytest.mark.parametrize(
    ("weights", "problem"),
    [
        ("{target: /a, source: {uri: u}}", "invalid weights[0].name: name is required"),
        (
            "{name: A b, target: /a, source: {uri: u}}",
            'invalid weights[0].name "A b": must contain only lowercase alphanumeric characters, hyphens, '
            'dots, or underscores (e.g. "my-model-weights")',
        ),
        (
            "{name: a, target: /a, source: {uri: u}}, {name: a, target: /b, source: {uri: u}}",
            'invalid weights[1].name "a": duplicate weight name',
        ),
        ("{name: a, source: {uri: u}}", "invalid weights[0].target: target is required"),
        ("{name: a, target: b, source: {uri: u}}", 'weights[0].target "b": target must be an absolute path'),
        (
            "{name: a, target: //./, source: {uri: u}}",
            'weights[0].target "//./": target must not be the container root "/"',
        ),
        (
            "{name: a, target: /a, source: {uri: u}}, {name: b, target: /a/, source: {uri: u}}",
            'weights[1].target "/a/": duplicate weight target',
        ),
        (
            "{name: a, target: /a/b, source: {uri: u}}, {name: b, target: /a, source: {uri: u}}",
            'weights[1].target "/a": target overlaps with "/a/b"; weight targets must be disjoint',
        ),
        ("{name: a, target: /a}", "invalid weights[0].source: source is required"),
        ("{name: a, target: /a, source: []}", "invalid weights[0].source: source is required"),
        (
            "{name: a, target: /a, source: {uri: u, include: ['']}}",
            'invalid weights[0].source.include[0] "": pattern must not be empty',
        ),
        (
            "{name: a, target: /a, source: [{uri: u, exclude: ['!x']}]}",
            "invalid weights[0].source[0].exclude[0] \"!x\": negation patterns (starting with '!') are not",
        ),
        (
            "{name: a, target: /a, source: {uri: u, include: ['a\\b']}}",
            "patterns must use forward slashes, not backslashes",
        ),
    ],
)
def test_rules_for_weights(problems: Problems, weights: str, problem: str) -> None:
    (found,) = problems(f"model: a/b\nweights: [{weights}]")
    assert problem in found


@pytest.mark.parametrize(
    "text",
    [
        # Without a GPU none of these versions is installed.
        BUILD + "  cuda: 11.8\n  cudnn: 9",
        BUILD + "  cuda: 11.0",
        BUILD + "  gpu: true\n  cuda: 12.4\n  python_requirements: requirements.txt",
        BUILD + "  gpu: true\n  cuda: 11.8.0\n  cudnn: 8.6",
        "run: pkg/run.py:Runner",
        "model: localhost:5000/a/b-c_d.e",
        "model: 'host:80/a'",
        "concurrency: {max: 2}",
        "model: m\n"
        "weights: [{name: a, target: /a, source: {uri: u}}, {name: b, target: /ab, source: {uri: u}}]",
    ],
)
def test_allowed(load: Load, text: str) -> None:
    load(text)


def test_all_problems_are_reported_in_the_order_of_the_file(problems: Problems) -> None:
    assert problems("train: t\nrun: r\nenvironment: [A]\n") == [
        "cog.yaml:1: invalid train \"t\": must be in the form 'train.py:Trainer'",
        "cog.yaml:2: invalid run \"r\": must be in the form 'run.py:Runner'",
        'cog.yaml:3: invalid environment[0]: environment variable "A" is not in the KEY=VALUE format',
    ]
