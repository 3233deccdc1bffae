"""The rules for cog.yaml that a JSON Schema cannot express, for data that has passed `check_structure`."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from coglet_cli.config.document import KeyPath
from coglet_cli.config.gpu_rules import check_gpu
from coglet_cli.config.model import DEFAULT_PYTHON_VERSION
from coglet_cli.config.problem import Problem, WrongValue
from coglet_cli.config.variables import split_variable
from coglet_cli.config.weights_rules import check_weights

_REFERENCES: Final = {"run": "run.py:Runner", "predict": "predict.py:Predictor", "train": "train.py:Trainer"}
_RESERVED_NAMES: Final = frozenset(
    "PATH LD_LIBRARY_PATH PYTHONPATH VIRTUAL_ENV PYTHONUNBUFFERED LIBRARY_PATH HF_ENDPOINT "
    "HF_HUB_ENABLE_HF_TRANSFER".split()
)
_RESERVED_PREFIXES: Final = ("R8_", "REPLICATE_", "CUDA_", "NVIDIA_", "NV_", "PGET_", "KUBERNETES_")
_LAST_USER: Final = 2**31 - 1
# A host with a dot, a port or the name localhost, then lower-case path components. Source: the
# reference grammar of the OCI distribution specification.
_PATH_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY: Final = re.compile(
    rf"(?:(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)(?::\d+)?/|[A-Za-z0-9-]+:\d+/)?"
    rf"{_PATH_COMPONENT}(?:/{_PATH_COMPONENT})*"
)


def check_rules(data: Mapping[str, Any], folder: Path) -> Iterator[Problem]:
    """Yield all invalid values of a well-formed configuration of the project in `folder`."""
    yield from _check_references(data)
    yield from _check_build(data, folder)
    yield from _check_concurrency(data)
    yield from _check_environment(data.get("environment") or ())
    yield from _check_model(data)
    yield from check_weights(data)


def _check_references(data: Mapping[str, Any]) -> Iterator[Problem]:
    if data.get("run") and data.get("predict"):
        yield WrongValue(("predict",), "only one of run or predict can be set")
    for key, example in _REFERENCES.items():
        reference = data.get(key)
        if reference is not None and not re.fullmatch(r"(?:(?!\.py:).)+\.py:(?:(?!\.py:).)+", reference):
            yield WrongValue((key,), f"must be in the form '{example}'", reference)


def _check_build(data: Mapping[str, Any], folder: Path) -> Iterator[Problem]:
    build = data.get("build")
    if build is None:
        return
    if build.get("python_version") in (None, ""):
        yield WrongValue(
            ("build", "python_version"),
            "python_version is required. Add it to the build section of your cog.yaml, "
            f'e.g. `python_version: "{DEFAULT_PYTHON_VERSION}"`',
        )
    else:
        yield from _check_python_version(str(build["python_version"]))
    if build.get("python_packages") and build.get("python_requirements"):
        yield WrongValue(
            ("build",), "only one of python_packages or python_requirements can be set, not both"
        )
    requirements = build.get("python_requirements")
    if requirements and not (folder / requirements).is_file():
        yield WrongValue(("build", "python_requirements"), "file does not exist", requirements)
    if build.get("cuda") is not None:
        yield from _check_cuda(str(build["cuda"]))
    if not 0 <= (build.get("user") or 0) <= _LAST_USER:
        yield WrongValue(("build", "user"), f"must be a number from 0 to {_LAST_USER}", str(build["user"]))
    yield from check_gpu(build, folder)


def _check_python_version(version: str) -> Iterator[Problem]:
    path: KeyPath = ("build", "python_version")
    if fault := _version_fault(version, "must include major and minor version (e.g., '3.11')"):
        yield WrongValue(path, fault, version)
    elif _major_minor(version) < (3, 10):
        yield WrongValue(path, "minimum supported Python version is 3.10", version)


def _check_cuda(version: str) -> Iterator[Problem]:
    path: KeyPath = ("build", "cuda")
    if fault := _version_fault(version, "must include both major and minor versions (e.g., '11.8')"):
        yield WrongValue(path, fault, version)
    elif _major_minor(version) < (11, 0):
        yield WrongValue(path, "minimum supported CUDA version is 11", version)


def _version_fault(version: str, incomplete: str) -> str | None:
    parts = version.split(".")
    if len(parts) not in (2, 3):
        return incomplete
    for name, part in zip(("major", "minor", "patch"), parts, strict=False):
        if not re.fullmatch(r"[0-9]+", part):
            return f"invalid {name} version number"
    return None


def _major_minor(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def _check_concurrency(data: Mapping[str, Any]) -> Iterator[Problem]:
    path: KeyPath = ("concurrency", "max")
    maximum = (data.get("concurrency") or {}).get("max")
    if maximum is None:
        return
    if maximum < 1:
        yield WrongValue(path, "must be at least 1", str(maximum))
    version = str((data.get("build") or {}).get("python_version") or DEFAULT_PYTHON_VERSION)
    if maximum > 1 and not _version_fault(version, "incomplete") and _major_minor(version) < (3, 11):
        yield WrongValue(path, "concurrency requires Python 3.11 or higher", str(maximum))


def _check_environment(entries: list[str] | tuple[()]) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        path: KeyPath = ("environment", index)
        name, _ = split_variable(entry)
        if "=" not in entry or not name or len(name.split()) > 1:
            yield WrongValue(path, f'environment variable "{entry}" is not in the KEY=VALUE format')
        elif name in seen:
            yield WrongValue(path, f'environment variable "{name}" is already defined')
        elif name in _RESERVED_NAMES or name.startswith(_RESERVED_PREFIXES):
            yield WrongValue(path, f'environment variable "{name}" is not allowed: reserved for internal use')
        seen.add(name)


def _check_model(data: Mapping[str, Any]) -> Iterator[Problem]:
    model = data.get("model")
    if not model:
        return
    if data.get("image"):
        yield WrongValue(("model",), "'model' and 'image' cannot both be set")
    if "@" in model or ":" in model.rpartition("/")[2]:
        yield WrongValue(("model",), "must be a bare repository — tags and digests are not allowed", model)
    elif not _REPOSITORY.fullmatch(model):
        yield WrongValue(
            ("model",),
            "invalid repository: expected [host[:port]/]name[/name] "
            "in lower-case letters, digits and single separators",
            model,
        )
