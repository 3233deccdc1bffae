"""The versions of CUDA, torch and TensorFlow, and the base images for them."""

import pytest
from packaging.requirements import Requirement

from coglet_cli.config import Build, CogConfig
from coglet_cli.dockerfile import BaseKind
from coglet_cli.errors import UserError
from coglet_cli.images.base_image import BaseWishes, choose_base, cog_base_name
from coglet_cli.images.compatibility import Cuda, cuda_base_image, resolve_cuda
from coglet_cli.images.torch import Torch, choose_torch, torch_lines
from coglet_cli.python_env.requirements import Requirements

WISHES = BaseWishes("r8.im")


def resolved(*lines: str, cuda: str | None = None, cudnn: str | None = None) -> Cuda:
    found = resolve_cuda(Build(gpu=True, cuda=cuda, cudnn=cudnn), Requirements(lines))
    assert found is not None
    return found


def test_without_a_gpu_there_is_no_cuda() -> None:
    assert resolve_cuda(Build(), Requirements(("torch==2.3.1",))) is None


@pytest.mark.parametrize(
    ("lines", "version", "cudnn"),
    [
        ((), "11.8", "8"),
        (("torch==2.3.1",), "12.1", "8"),
        (("torch==2.3.1+cu118",), "11.8", "8"),
        (("tensorflow==2.15.0", "torch==2.3.1"), "12.2", "8"),
        (("tensorflow==2.18.0",), "12.5", "9"),
        (("torch==2.11.0",), "13.0", "9"),
    ],
)
def test_frameworks_decide(lines: tuple[str, ...], version: str, cudnn: str) -> None:
    found = resolved(*lines)
    assert (found.version, found.cudnn, found.warning) == (version, cudnn, None)


def test_a_given_version_takes_precedence_with_a_warning() -> None:
    assert resolved("torch==2.3.1", cuda="12.4").warning == (
        "Cog doesn't know if CUDA 12.4 is compatible with PyTorch 2.3.1. This might cause CUDA problems. "
        "Try 12.1 instead?"
    )


@pytest.mark.parametrize(
    ("build", "lines", "message"),
    [
        ({"cuda": "10.2"}, (), "CUDA 10.2 is not supported by Cog"),
        (
            {"cuda": "11.8", "cudnn": "9"},
            (),
            "the specified CUDA version 11.8 is not compatible with CuDNN 9.\n"
            "Compatible CuDNN versions are: 8",
        ),
        (
            {"cudnn": "9"},
            ("tensorflow==2.15.0",),
            "the specified cuDNN version 9 is not compatible with tensorflow==2.15.0.\n"
            "Compatible cuDNN version is: 8.9",
        ),
        (
            {},
            ("torch==0.1.0",),
            "cog doesn't know what CUDA version is compatible with torch==0.1.0. "
            "You might need to upgrade Cog or set `cuda` in cog.yaml.",
        ),
        (
            {},
            ("tensorflow==1.0",),
            "cog doesn't know what CUDA version is compatible with tensorflow==1.0. "
            "You might need to upgrade Cog or set `cuda` in cog.yaml.",
        ),
    ],
)
def test_incompatible_versions(build: dict[str, str], lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError) as caught:
        resolved(*lines, **build)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("cuda", "image"),
    [
        (Cuda("11.8", "8"), "nvidia/cuda:11.8.0-cudnn8-devel-ubuntu22.04"),
        (Cuda("12.1.0", "8"), "nvidia/cuda:12.1.0-cudnn8-devel-ubuntu22.04"),
        (Cuda("12.3", "9"), "nvidia/cuda:12.3.2-cudnn9-devel-ubuntu22.04"),
        (Cuda("12.9", "9"), "nvidia/cuda:12.9.1-cudnn-devel-ubuntu24.04"),
    ],
)
def test_cuda_images(cuda: Cuda, image: str) -> None:
    assert cuda_base_image(cuda) == image


def test_versions_without_an_image() -> None:
    with pytest.raises(UserError, match=r"^no matching base image for CUDA 11\.8 and CuDNN 9$"):
        cuda_base_image(Cuda("11.8", "9"))


INDEX = "--extra-index-url https://download.pytorch.org/whl/{}/"


def staged(*lines: str, cuda: str | None = None, build: Build | None = None) -> tuple[str, ...]:
    """Return the requirement lines for the image, with the CUDA of its base."""
    build, requirements = build or Build(gpu=cuda is not None), Requirements(lines)
    return torch_lines(requirements, choose_torch(build, requirements), cuda)


def test_torch_comes_from_the_index_for_its_cuda() -> None:
    lines = ("torch==2.3.1", "torchvision==0.18.1", "torchaudio==2.3.1", "numpy")
    assert staged(*lines) == (INDEX.format("cpu"), *lines)
    assert staged(*lines, cuda="12.2") == (INDEX.format("cu121"), *lines)


@pytest.mark.parametrize(
    "line", ["torch==2.0", "torch==2.3.0", "torchvision==0.18", "torch==2.3.1; python_version > '3'"]
)
def test_without_a_gpu_a_pin_keeps_its_release(line: str) -> None:
    index, kept = staged(line)
    assert (index, Requirement(kept)) == (INDEX.format("cpu"), Requirement(line))


@pytest.mark.parametrize(
    "lines",
    [
        ("torch==2.3.1 --hash=sha256:aa",),
        ("torch==9.9.9",),
        ("torch>=2",),
        ("torch",),
        ("--extra-index-url https://download.pytorch.org/whl/cu118", "torch==2.3.1"),
        ("--find-links https://download.pytorch.org/whl/torch_stable.html", "torch==2.3.1"),
    ],
)
def test_lines_with_torch_that_are_unchanged(lines: tuple[str, ...]) -> None:
    assert staged(*lines) == lines


def test_a_torch_with_its_own_index_is_unchanged() -> None:
    lines = ("--extra-index-url https://x/", "torch==2.3.1")
    assert torch_lines(Requirements(lines, placed=frozenset({"torch"})), None, None) == lines


@pytest.mark.parametrize(
    ("python", "lines", "version", "cuda", "line"),
    [
        ("3.11", ("torch>=2.1.1",), "2.11.0", "13.0", "torch<=2.11.0,>=2.1.1"),
        ("3.11", ("torch~=2.1.0",), "2.1.2", "12.1", "torch<=2.1.2,~=2.1.0"),
        ("3.11", ("torch<=2.2",), "2.2.0", "12.1", "torch<=2.2,<=2.2.0"),
        ("3.11", ("torch>=2.0,<2.4,!=2.3.1",), "2.3.0", "12.1", "torch!=2.3.1,<2.4,<=2.3.0,>=2.0"),
        ("3.11", ("torch==2.1.*",), "2.1.2", "12.1", "torch<=2.1.2,==2.1.*"),
        ("3.11", ("torch==2.0",), "2.0.1", "11.8", "torch==2.0.1"),
        ("3.11", ("torch",), "2.11.0", "13.0", "torch<=2.11.0"),
        ("3.10", ("torch[opt-einsum]<2",), "1.13.1", "11.7", "torch[opt-einsum]<2,<=1.13.1"),
        (
            "3.12",
            ("torch>=2.1; python_version > '3'",),
            "2.11.0",
            "13.0",
            'torch<=2.11.0,>=2.1; python_version > "3"',
        ),
        ("3.11", ("torch", "torchvision==0.16.1"), "2.1.1", "12.1", "torch<=2.1.1"),
        ("3.11", ("torch==2.0", "torchvision==0.15.1"), "2.0.0", "11.8", "torch==2.0.0"),
        ("3.11", ("torch", "torchaudio==2.2.2"), "2.2.2", "12.1", "torch<=2.2.2"),
    ],
)
def test_a_release_is_chosen_where_the_author_names_none(
    python: str, lines: tuple[str, ...], version: str, cuda: str, line: str
) -> None:
    build, requirements = Build(python, gpu=True), Requirements(lines)
    torch, found = choose_torch(build, requirements), resolve_cuda(build, requirements)
    assert torch is not None
    assert found is not None
    assert (torch.version, found.version, found.warning) == (version, cuda, None)
    assert torch.note is not None
    assert f"using torch {version}," in torch.note
    index, kept, *_ = staged(*lines, cuda=cuda, build=build)
    assert index == INDEX.format(f"cu{cuda.replace('.', '')}")
    assert Requirement(kept) == Requirement(line)


def test_a_release_is_chosen_for_the_cuda_that_is_given() -> None:
    assert choose_torch(Build("3.11", gpu=True, cuda="12.1"), Requirements(("torch",))) == Torch(
        "2.5.1", ("11.8", "12.1", "12.4"), "0.20.1", "torch"
    )
    index = ("--extra-index-url https://download.pytorch.org/whl/cu118", "torch>=2")
    assert resolved(*index).version == "11.8"
    assert choose_torch(Build("3.11", gpu=True), Requirements(index)) == Torch(
        "2.7.1", ("11.8", "12.6", "12.8"), "0.22.1", "torch>=2"
    )


def test_constraints_limit_the_choice() -> None:
    found = choose_torch(Build("3.11", gpu=True), Requirements(("torch",), constraints=("torch<2.2",)))
    assert found is not None
    assert found.version == "2.1.2"


@pytest.mark.parametrize(
    ("line", "version", "warning"),
    [
        (
            "torch==99.0.0",
            "13.0",
            "torch 99.0.0 is newer than all releases that this version of Cog knows: using CUDA 13.0. "
            "Set `cuda` in cog.yaml to select another version.",
        ),
        (
            "torch<1.5",
            "11.8",
            "no known release of torch matches <1.5: using CUDA 11.8. "
            "Set `cuda` in cog.yaml to select another version.",
        ),
    ],
)
def test_an_unknown_torch_gives_a_warning(line: str, version: str, warning: str) -> None:
    found = resolved(line)
    assert (found.version, found.warning) == (version, warning)


def test_a_cog_base_image_when_there_is_one() -> None:
    asked: list[str] = []
    config = CogConfig(Build("3.12.4", gpu=True))
    requirements, cuda = Requirements(("torch==2.3.1",)), Cuda("12.1", "8")

    def is_available(name: str) -> bool:
        asked.append(name)
        return True

    base = choose_base(config, requirements, cuda, WISHES, is_available)
    assert (base.name, base.kind) == ("r8.im/cog-base:cuda12.1-python3.12-torch2.3.1", BaseKind.COG_BASE)
    assert asked == [base.name]


@pytest.mark.parametrize(
    ("build", "lines", "name"),
    [
        (Build("3.11", gpu=True), ("torch>=2.1.1",), "cuda13.0-python3.11-torch2.11.0"),
        (Build("3.11", gpu=True), ("torch",), "cuda13.0-python3.11-torch2.11.0"),
        (Build("3.11", gpu=True), ("torch==2.0",), "cuda11.8-python3.11-torch2.0.1"),
        (Build("3.11", gpu=True), ("torch==2.0.1+cu117",), "cuda11.7-python3.11-torch2.0.1"),
        (Build("3.11", gpu=True, cuda="12.1"), ("torch~=2.2.0",), "cuda12.1-python3.11-torch2.2.2"),
        (Build("3.11"), ("torch==2.0",), "python3.11-torch2.0.0"),
        (Build("3.11"), ("torch<2.4",), "python3.11-torch2.3.1"),
        (Build("3.12", gpu=True), ("torch==99.1.0",), "cuda13.0-python3.12-torch99.1.0"),
        (Build("3.13", gpu=True), ("torch==2.1.0",), None),
        (Build("3.12", gpu=True), ("torch<1.5",), None),
    ],
)
def test_the_cog_base_image_of_a_torch(build: Build, lines: tuple[str, ...], name: str | None) -> None:
    requirements = Requirements(lines)
    found = cog_base_name(CogConfig(build), requirements, resolve_cuda(build, requirements), "r8.im")
    assert found == (name and f"r8.im/cog-base:{name}")


def test_the_fallback_without_a_cog_base_image() -> None:
    gpu = choose_base(CogConfig(Build(gpu=True)), Requirements(), Cuda("11.8", "8"), WISHES, lambda _: False)
    assert gpu.kind is BaseKind.CUDA
    cpu = choose_base(CogConfig(Build("3.12")), Requirements(), None, WISHES, lambda _: False)
    assert (cpu.name, cpu.warning) == (
        "python:3.12-slim",
        "Could not find a suitable base image, continuing without base image support "
        "(r8.im/cog-base:python3.12 is not available).",
    )


def test_a_required_base_image() -> None:
    wishes = BaseWishes("r8.im", use_cog_base=True)
    with pytest.raises(UserError) as caught:
        choose_base(CogConfig(Build("3.12")), Requirements(), None, wishes, lambda _: False)
    assert caught.value.message == (
        "unsupported base image configuration: CUDA: (none) / Python: 3.12 / Torch: (none)"
    )


def test_the_registry_is_not_asked_without_need() -> None:
    wishes = BaseWishes("r8.im", use_cog_base=False, use_cuda_base=False)
    base = choose_base(
        CogConfig(Build("3.12", gpu=True)), Requirements(), Cuda("11.8", "8"), wishes, pytest.fail
    )
    assert (base.name, base.warning) == ("python:3.12-slim", None)


def test_fast_mode_needs_its_base() -> None:
    config = CogConfig(Build("3.12", fast=True))
    wishes = BaseWishes("r8.im", fast_base="mine:1")
    assert choose_base(config, Requirements(), None, wishes, lambda _: True).name == "mine:1"
    with pytest.raises(UserError) as caught:
        choose_base(config, Requirements(), None, WISHES, lambda _: False)
    assert caught.value.message == "the base image of fast builds, r8.im/monobase:latest, is not available"
    assert caught.value.hint == (
        "set COG_MONOBASE_IMAGE to an image built from Dockerfile.base, or set fast: false"
    )
