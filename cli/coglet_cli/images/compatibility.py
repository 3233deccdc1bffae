"""Which CUDA, cuDNN, torch and TensorFlow go together; the facts are in JSON files beside the code."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from coglet_cli.config import Build
from coglet_cli.errors import UserError
from coglet_cli.images.requirements import Requirements

_DEFAULT_CUDA: Final = "11.8"
# From this release on, the tag of an image names cuDNN without its version.
_UNVERSIONED_CUDNN_FROM: Final = (12, 4)


@dataclass(frozen=True)
class Cuda:
    """A pair of versions that meet in one image, and what the user should know about the choice."""

    version: str
    cudnn: str
    warning: str | None = None

    @property
    def minor(self) -> str:
        """`11.8` of `11.8.0`."""
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


@cache
def _torch_facts() -> Any:
    return json.loads(resources.files("coglet_cli.images").joinpath("torch.json").read_text("utf-8"))


def _torch_rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _torch_facts()["rows"]
    return rows


def version_key(version: str) -> tuple[int, ...]:
    """Orders versions as numbers."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def resolve_cuda(build: Build, requirements: Requirements) -> Cuda | None:
    """The CUDA and cuDNN of a model; None without a GPU. Raises UserError for what cannot be."""
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
    """The newest image of nvidia/cuda with these versions. Raises UserError when there is none."""
    found = [
        (version_key(full), version_key(ubuntu), full, ubuntu)
        for row in _images()
        if row["cudnn"] == cuda.cudnn
        for full in row["cuda"]
        if _matches(full, cuda.version)
        for ubuntu in row["ubuntu"]
    ]
    if not found:
        raise UserError(f"no matching base image for CUDA {cuda.version} and CuDNN {cuda.cudnn}")
    *_, full, ubuntu = max(found)
    cudnn = "cudnn" if version_key(full)[:2] >= _UNVERSIONED_CUDNN_FROM else f"cudnn{cuda.cudnn}"
    return f"nvidia/cuda:{full}-{cudnn}-devel-ubuntu{ubuntu}"


def knows_torch(torch: str, python: str, cuda: str | None) -> bool:
    """True when a release of torch exists for that Python and that CUDA (None for CPU)."""
    for row in _torch_rows():
        if torch in row["torch"]:
            first, last = row["python"]
            fits = version_key(first) <= version_key(python) <= version_key(last)
            return fits and (cuda is None or cuda in row["cuda"])
    return False


def torch_lines(requirements: Requirements, cuda: Cuda | None) -> tuple[str, ...]:
    """The requirement lines with torch and torchvision from the index that fits the GPU, or the CPU."""
    lines = (line for each in requirements.lines for line in _torch_line(each, cuda, requirements.placed))
    return tuple(dict.fromkeys(lines))


def _torch_line(line: str, cuda: Cuda | None, placed: frozenset[str]) -> Iterator[str]:
    match = re.fullmatch(r"(torch|torchvision)\s*==\s*([0-9][\w.+]*)(.*)", line)
    if match is None or match[1] in placed or "--hash" in line:
        yield line
        return
    package, version, rest = match[1], match[2].split("+")[0], match[3]
    found = _release(package, version)
    wheels = _wheels_of(found[1], cuda) if found else None
    if found is None or wheels is None:
        yield line
        return
    yield f"--extra-index-url {_torch_facts()['wheels'].format(wheels)}"
    yield f"{package}=={found[0]}{rest}"


def _release(package: str, version: str) -> tuple[str, dict[str, Any]] | None:
    """The newest known release that a pin, which may be partial, means."""
    found = [
        (release, row)
        for row in _torch_rows()
        for release in row[package]
        if f"{release}.".startswith(f"{version}.")
    ]
    return max(found, key=lambda pair: version_key(pair[0])) if found else None


def _wheels_of(row: dict[str, Any], cuda: Cuda | None) -> str | None:
    if cuda is None:
        return "cpu"
    fitting = [version for version in row["cuda"] if version_key(version) <= version_key(cuda.minor)]
    return f"cu{max(fitting, key=version_key).replace('.', '')}" if fitting else None


def _wanted_cuda(build: Build, requirements: Requirements) -> tuple[str, str | None, str | None]:
    """CUDA, cuDNN if something decides it, and a warning."""
    tensorflow, torch = requirements.pin("tensorflow"), requirements.pin("torch")
    if build.cuda:
        return build.cuda, build.cudnn, _torch_warning(build.cuda, torch)
    if tensorflow:
        return _cuda_of_tensorflow(tensorflow, build.cudnn)
    if torch:
        return _cuda_of_torch(torch), build.cudnn, None
    if requirements.names("torch"):
        raise UserError(
            "torch version must be specified when using CUDA", hint="pin it, for example torch==2.8.0"
        )
    return _DEFAULT_CUDA, build.cudnn, None


def _torch_warning(cuda: str, torch: str | None) -> str | None:
    found = _release("torch", torch.split("+")[0]) if torch else None
    minor = ".".join(cuda.split(".")[:2])
    if found is None or minor in found[1]["cuda"]:
        return None
    return (
        f"Cog doesn't know if CUDA {cuda} is compatible with PyTorch {torch}. "
        f"This might cause CUDA problems. Try {found[1]['cuda'][-1]} instead?"
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


def _cuda_of_torch(pinned: str) -> str:
    version, _, local = pinned.partition("+")
    if match := re.fullmatch(r"cu(\d+)(\d)", local):
        return f"{match[1]}.{match[2]}"
    found = _release("torch", version)
    if found is None:
        raise _unknown("torch", version)
    return str(max(found[1]["cuda"], key=version_key))


def _unknown(package: str, version: str) -> UserError:
    return UserError(
        f"cog doesn't know what CUDA version is compatible with {package}=={version}. "
        "You might need to upgrade Cog or set `cuda` in cog.yaml."
    )


def _cudnn_of(cuda: str) -> set[str]:
    return {row["cudnn"] for row in _images() if any(_matches(full, cuda) for full in row["cuda"])}


def _cuda_minors() -> list[str]:
    minors = {".".join(full.split(".")[:2]) for row in _images() for full in row["cuda"]}
    return sorted(minors, key=version_key)


def _matches(full: str, wanted: str) -> bool:
    return f"{full}.".startswith(f"{wanted}.")
