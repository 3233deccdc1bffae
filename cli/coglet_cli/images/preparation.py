"""Preparation of a build: the image plan and the files that it needs, from a project and flags."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path

from packaging.version import Version

import coglet_schema
from coglet_cli.config import CogConfig
from coglet_cli.dockerfile import ImagePlan
from coglet_cli.dockerfile.fast import DEFAULT_FAST_BASE
from coglet_cli.engine.build_options import PLATFORM
from coglet_cli.errors import UserError
from coglet_cli.images.base_image import (
    COG_BASE_HOST_VARIABLE,
    FAST_BASE_VARIABLE,
    BaseWishes,
    choose_base,
)
from coglet_cli.images.certificate import VARIABLE as CERTIFICATE_VARIABLE
from coglet_cli.images.certificate import read_certificate
from coglet_cli.images.compatibility import Cuda, resolve_cuda
from coglet_cli.images.sdk import choose_sdk
from coglet_cli.images.torch import choose_torch, torch_lines
from coglet_cli.project.model import LocalModel
from coglet_cli.project.schema import SchemaRefused
from coglet_cli.python_env.requirements import STAGED_ARTIFACTS, Requirements, read_requirements
from coglet_cli.registry.references import DEFAULT_REGISTRY, REGISTRY_VARIABLE
from coglet_cli.terminal import Terminal

_CONCURRENCY_FROM = Version("3.11")
# Python's names (platform.machine) for the processors of images.
_MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}


@dataclass(frozen=True)
class BuildFlags:
    """The flags that control the build of an image."""

    no_cache: bool = False
    separate_weights: bool = False
    secrets: Sequence[str] = ()
    ssh: Sequence[str] = ()
    openapi_schema: str | None = None
    progress: str = "auto"
    use_cog_base: bool | None = None
    use_cuda_base: bool = True
    dockerfile: str | None = None
    strip: bool = False
    precompile: bool = False
    skip_schema: bool = False
    fast: bool = False
    platform: str = PLATFORM
    strict: bool = False
    legacy_labels: bool = False
    timestamp: int | None = None


@dataclass(frozen=True)
class Prepared:
    """A plan, and the files that its Dockerfile copies from `build/`."""

    plan: ImagePlan
    staged: Mapping[str, bytes] = field(default_factory=dict)


def with_flags(config: CogConfig, flags: BuildFlags) -> CogConfig:
    """Return the configuration with the flags applied."""
    return replace(config, build=replace(config.build, fast=True)) if flags.fast else config


def prepare(
    model: LocalModel, flags: BuildFlags, is_available: Callable[[str], bool], terminal: Terminal
) -> Prepared:
    """Return the plan of a model's image and show its warnings. Raises UserError if it cannot be built."""
    config = with_flags(model.config, flags)
    _refuse_combinations(config, flags)
    folder = model.project.folder
    sdk = choose_sdk(os.environ, config.build.sdk_version)
    requirements = read_requirements(
        folder, config.build.python_requirements, config.build.python_packages, sdk.source
    ).for_image(config.build.python_version, _MACHINES[flags.platform])
    cuda = resolve_cuda(config.build, requirements)
    torch = choose_torch(config.build, requirements)
    wishes = _wishes(flags)
    base = choose_base(config, requirements, cuda, wishes, is_available)
    certificate = read_certificate(os.environ.get(CERTIFICATE_VARIABLE))
    if certificate:
        terminal.info(f"Injecting CA certificate from {CERTIFICATE_VARIABLE}")
    choices = (cuda and cuda.warning, cuda and torch and torch.note, base.warning)
    for warning in (*sdk.warnings, *requirements.warnings, *choices):
        if warning:
            terminal.warning(warning)
    lines = requirements
    if not config.build.fast:
        lines = replace(lines, lines=torch_lines(requirements, torch, cuda.minor if cuda else None))
    plan = ImagePlan(
        config,
        base.name,
        sdk.packages,
        kind=base.kind,
        has_requirements=bool(lines.lines),
        has_constraints=bool(lines.constraints),
        has_artifacts=bool(lines.artifacts),
        has_certificate=certificate is not None,
        config_file=model.project.config_file.relative_to(folder).as_posix(),
        max_concurrency=_concurrency(
            model, has_own_schema=flags.skip_schema or flags.openapi_schema is not None
        ),
        strip=flags.strip,
        precompile=flags.precompile,
        has_timestamp=flags.timestamp is not None,
        torch=requirements.pin("torch"),
        cuda=cuda.minor if cuda else None,
        cudnn=cuda.cudnn if cuda else None,
    )
    return Prepared(plan, {**sdk.files, **_staged(folder, lines, certificate, cuda)})


def _refuse_combinations(config: CogConfig, flags: BuildFlags) -> None:
    if config.build.fast and flags.dockerfile:
        raise UserError("fast builds do not support --dockerfile; set fast: false")
    if config.build.fast and flags.separate_weights:
        raise UserError("fast builds do not support --separate-weights; set fast: false")
    if flags.platform == PLATFORM:
        return
    if config.build.gpu:
        raise UserError(
            f"images with a GPU are supported only on {PLATFORM}", hint="omit --platform, or set gpu: false"
        )
    if flags.use_cog_base:
        raise UserError(f"cog-base images exist only for {PLATFORM}", hint="omit --use-cog-base-image")


def _wishes(flags: BuildFlags) -> BaseWishes:
    registry = os.environ.get(COG_BASE_HOST_VARIABLE) or os.environ.get(REGISTRY_VARIABLE, DEFAULT_REGISTRY)
    has_no_cog_base = flags.dockerfile is not None or flags.platform != PLATFORM
    return BaseWishes(
        registry,
        False if has_no_cog_base else flags.use_cog_base,
        flags.use_cuda_base,
        os.environ.get(FAST_BASE_VARIABLE) or DEFAULT_FAST_BASE,
    )


def _staged(
    folder: Path, requirements: Requirements, certificate: bytes | None, cuda: Cuda | None
) -> dict[str, bytes]:
    files = {"entrypoint.py": resources.files("coglet_cli.images").joinpath("entrypoint.py").read_bytes()}
    if requirements.lines:
        files["requirements.txt"] = requirements.text().encode()
    if requirements.constraints:
        files["constraints.txt"] = ("\n".join(requirements.constraints) + "\n").encode()
    if certificate:
        files["cog-ca-cert.crt"] = certificate
    for artifact in requirements.artifacts:
        files[f"{STAGED_ARTIFACTS}/{artifact}"] = (folder / artifact).read_bytes()
    return files


def _concurrency(model: LocalModel, *, has_own_schema: bool) -> int | None:
    """Return `concurrency.max`, else the value of the decorator. Raises UserError if the model cannot do it.

    With the user's own schema, or without one, the source need not be readable.
    """
    config = model.config
    if config.run is None:
        return config.max_concurrency
    try:
        facts = coglet_schema.generate_info(model.project.folder, config.run)
    except coglet_schema.SchemaError as error:
        if has_own_schema:
            return config.max_concurrency
        raise SchemaRefused(error) from None
    wanted = config.max_concurrency or facts.concurrency_max
    if wanted is None or wanted <= 1:
        return wanted
    if not facts.is_async:
        raise UserError("concurrency.max > 1 requires an async run() or predict() method")
    if Version(config.build.python_version) < _CONCURRENCY_FROM:
        raise UserError(
            "concurrency requires Python 3.11 or higher", hint="raise build.python_version in cog.yaml"
        )
    return wanted
