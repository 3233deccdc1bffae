"""Which CUDA, cuDNN and TensorFlow versions can meet in one image; `gpu.json` holds the facts."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from coglet_cli.config.problem import Problem, WrongValue
from coglet_cli.errors import UserError
from coglet_cli.formats.text_files import read_requirements_text

_TENSORFLOW_PIN = re.compile(r"tensorflow\s*==\s*([0-9][^\s;#,]*)", re.IGNORECASE)


@cache
def _facts() -> Any:
    return json.loads(resources.files("coglet_cli.config").joinpath("gpu.json").read_text("utf-8"))


def check_gpu(build: Mapping[str, Any], folder: Path) -> Iterator[Problem]:
    """The rules for `gpu: true`; without a GPU none of these versions is installed."""
    if not build.get("gpu"):
        return
    cuda, cudnn = build.get("cuda"), build.get("cudnn")
    if cuda is not None and cudnn is not None:
        yield from _check_cudnn(str(cuda), str(cudnn))
    tensorflow = _pinned_tensorflow(build, folder)
    if cuda is not None and tensorflow is not None:
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
    requirements = list(build.get("python_packages") or ())
    file_name = build.get("python_requirements")
    if file_name and (folder / file_name).is_file():
        with suppress(UserError):  # told when it is read for the packages
            requirements += read_requirements_text(folder / file_name).splitlines()
    pins = [pin.group(1) for line in requirements if (pin := _TENSORFLOW_PIN.match(line.strip()))]
    return pins[-1] if pins else None
