"""The CUDA and cuDNN versions that torch and TensorFlow need; the data is in JSON files."""

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from packaging.version import Version

from coglet_cli.config import Build
from coglet_cli.errors import UserError
from coglet_cli.images.torch import Torch, choose_torch, index_cuda, newest_cuda
from coglet_cli.python_env.requirements import Requirements

_DEFAULT_CUDA: Final = "11.8"
# From this CUDA release on, image tags contain "cudnn" without its version.
_UNVERSIONED_CUDNN_FROM: Final = Version("12.4")


@dataclass(frozen=True)
class Cuda:
    """Compatible versions of CUDA and cuDNN, and a warning about the choice."""

    version: str
    cudnn: str
    warning: str | None = None

    @property
    def minor(self) -> str:
        """Major and minor version: `11.8` for `11.8.0`."""
        return ".".join(self.version.split(".")[:2])


@cache
def _gpu_facts() -> Any:
    return json.loads(resources.files("coglet_cli.config").joinpath("gpu.json").read_text("utf-8"))


def _images() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _gpu_facts()["cuda_images"]
    return rows


def _tensorflow_rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _gpu_facts()["tensorflow"]
    return rows


def resolve_cuda(build: Build, requirements: Requirements) -> Cuda | None:
    """Return the CUDA and cuDNN of a model, None without a GPU. Raises UserError if they conflict."""
    if not build.gpu:
        return None
    version, cudnn, warning = _wanted_cuda(build, requirements)
    known = sorted(_cudnn_of(version))
    if not known:
        raise UserError(
            f"CUDA {version} is not supported by Cog", hint=f"supported: {', '.join(_cuda_minors())}"
        )
    cudnn = (cudnn or known[-1]).split(".")[0]
    if cudnn not in known:
        raise UserError(
            f"the specified CUDA version {version} is not compatible with CuDNN {cudnn}.\n"
            f"Compatible CuDNN versions are: {', '.join(known)}"
        )
    return Cuda(version, cudnn, warning)


def cuda_base_image(cuda: Cuda) -> str:
    """Return the newest image of nvidia/cuda with these versions. Raises UserError if there is none."""
    found = [
        (Version(full), Version(ubuntu), full, ubuntu)
        for row in _images()
        if row["cudnn"] == cuda.cudnn
        for full in row["cuda"]
        if _matches(full, cuda.version)
        for ubuntu in row["ubuntu"]
    ]
    if not found:
        raise UserError(f"no matching base image for CUDA {cuda.version} and CuDNN {cuda.cudnn}")
    *_, full, ubuntu = max(found)
    cudnn = "cudnn" if Version(full) >= _UNVERSIONED_CUDNN_FROM else f"cudnn{cuda.cudnn}"
    return f"nvidia/cuda:{full}-{cudnn}-devel-ubuntu{ubuntu}"


def _wanted_cuda(build: Build, requirements: Requirements) -> tuple[str, str | None, str | None]:
    """Return CUDA, cuDNN if it is determined, and a warning."""
    tensorflow, torch = requirements.pin("tensorflow"), choose_torch(build, requirements)
    if build.cuda:
        return build.cuda, build.cudnn, _torch_warning(build.cuda, torch)
    if tensorflow:
        return _cuda_of_tensorflow(tensorflow, build.cudnn)
    if torch:
        version, warning = _cuda_of_torch(torch, requirements)
        return version, build.cudnn, warning
    if requirements.names("torch"):
        return (
            _DEFAULT_CUDA,
            build.cudnn,
            (
                f"no known release of torch matches {requirements.specifier('torch')}: "
                f"using CUDA {_DEFAULT_CUDA}. "
                "Set `cuda` in cog.yaml to select another version."
            ),
        )
    return _DEFAULT_CUDA, build.cudnn, None


def _torch_warning(cuda: str, torch: Torch | None) -> str | None:
    minor = ".".join(cuda.split(".")[:2])
    if torch is None or not torch.cuda or minor in torch.cuda:
        return None
    return (
        f"Cog doesn't know if CUDA {cuda} is compatible with PyTorch {torch.version}. "
        f"This might cause CUDA problems. Try {torch.cuda[-1]} instead?"
    )


def _cuda_of_tensorflow(version: str, cudnn: str | None) -> tuple[str, str | None, str | None]:
    minor = ".".join(version.split(".")[:2])
    for row in _tensorflow_rows():
        if minor in row["versions"]:
            if cudnn and cudnn.split(".")[0] != row["cudnn"].split(".")[0]:
                raise UserError(
                    f"the specified cuDNN version {cudnn} is not compatible with tensorflow=={version}.\n"
                    f"Compatible cuDNN version is: {row['cudnn']}"
                )
            return row["cuda"], row["cudnn"], None
    raise _unknown("tensorflow", version)


def _cuda_of_torch(torch: Torch, requirements: Requirements) -> tuple[str, str | None]:
    """Return CUDA, and a warning if it is a guess."""
    local = torch.version.partition("+")[2]
    if match := re.fullmatch(r"cu(\d+)(\d)", local):
        return f"{match[1]}.{match[2]}", None
    if found := index_cuda(requirements):
        return found, None
    if torch.cuda:
        return max(torch.cuda, key=Version), None
    if not torch.is_newer:
        raise _unknown("torch", torch.version.partition("+")[0])
    return newest_cuda(), (
        f"torch {torch.version} is newer than all releases that this version of Cog knows: "
        f"using CUDA {newest_cuda()}. "
        "Set `cuda` in cog.yaml to select another version."
    )


def _unknown(package: str, version: str) -> UserError:
    return UserError(
        f"cog doesn't know what CUDA version is compatible with {package}=={version}. "
        "You might need to upgrade Cog or set `cuda` in cog.yaml."
    )


def _cudnn_of(cuda: str) -> set[str]:
    return {row["cudnn"] for row in _images() if any(_matches(full, cuda) for full in row["cuda"])}


def _cuda_minors() -> list[str]:
    minors = {".".join(full.split(".")[:2]) for row in _images() for full in row["cuda"]}
    return sorted(minors, key=Version)


def _matches(full: str, wanted: str) -> bool:
    return f"{full}.".startswith(f"{wanted}.")
