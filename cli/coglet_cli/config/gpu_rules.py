"""Compatibility of the CUDA, cuDNN and TensorFlow versions of one image; the data is in `gpu.json`."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from coglet_cli.config.problem import Problem, WrongValue
from coglet_cli.errors import UserError
from coglet_cli.formats.text_files import read_requirements_text


@cache
def _facts() -> Any:
    return json.loads(resources.files("coglet_cli.config").joinpath("gpu.json").read_text("utf-8"))


def check_gpu(build: Mapping[str, Any], folder: Path) -> Iterator[Problem]:
    """Yield violations of the rules for `gpu: true`; without a GPU none of these versions is installed."""
    if not build.get("gpu"):
        return
    cuda, cudnn = build.get("cuda"), build.get("cudnn")
    if cuda is not None and cudnn is not None:
        yield from _check_cudnn(str(cuda), str(cudnn))
    if cuda is not None and (tensorflow := _pinned_tensorflow(build, folder)) is not None:
        yield from _check_tensorflow(tensorflow, str(cuda))


def _check_cudnn(cuda: str, cudnn: str) -> Iterator[Problem]:
    compatible = sorted(
        {
            row["cudnn"]
            for row in _facts()["cuda_images"]
            if any(f"{version}.".startswith(f"{cuda}.") for version in row["cuda"])
        }
    )
    if compatible and cudnn.split(".")[0] not in compatible:
        yield WrongValue(
            ("build", "cudnn"),
            f"CUDA {cuda} is incompatible with CuDNN {cudnn}: "
            f"compatible CuDNN versions are: {', '.join(compatible)}",
            cudnn,
        )


def _check_tensorflow(tensorflow: str, cuda: str) -> Iterator[Problem]:
    minor = ".".join(tensorflow.split(".")[:2])
    for row in _facts()["tensorflow"]:
        if minor in row["versions"] and row["cuda"].split(".")[0] != cuda.split(".")[0]:
            yield WrongValue(
                ("build", "cuda"),
                f"TensorFlow {tensorflow} is incompatible with CUDA {cuda}: "
                f"TensorFlow {tensorflow} requires CUDA {row['cuda']}",
                cuda,
            )


def _pinned_tensorflow(build: Mapping[str, Any], folder: Path) -> str | None:
    from coglet_cli.python_env.requirement_lines import logical_lines, requirement_of

    text = "\n".join(build.get("python_packages") or ())
    file_name = build.get("python_requirements")
    if file_name and (folder / file_name).is_file():
        with suppress(UserError):  # reported when it is read for the packages
            text += "\n" + read_requirements_text(folder / file_name)
    found = [requirement for line in logical_lines(text) if (requirement := requirement_of(line))]
    specifiers = [each.specifier for each in found if each.name.lower() == "tensorflow"]
    pins = [each.version for specifier in specifiers for each in specifier if each.operator == "=="]
    return pins[-1] if pins else None
