"""Selection of the base image of a model's image."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from coglet_cli.config import CogConfig
from coglet_cli.dockerfile import BaseKind
from coglet_cli.dockerfile.fast import DEFAULT_FAST_BASE
from coglet_cli.errors import UserError
from coglet_cli.images.compatibility import Cuda, cuda_base_image
from coglet_cli.images.torch import choose_torch, knows_torch
from coglet_cli.python_env.requirements import Requirements

FAST_BASE_VARIABLE: Final = "COG_MONOBASE_IMAGE"
COG_BASE_HOST_VARIABLE: Final = "COG_BASE_IMAGE_HOST"


@dataclass(frozen=True)
class BaseImage:
    """A base image, and a warning about the choice."""

    name: str
    kind: BaseKind
    warning: str | None = None


@dataclass(frozen=True)
class BaseWishes:
    """The user's settings for the base image. `use_cog_base` is None unless the flag is given."""

    registry: str
    use_cog_base: bool | None = None
    use_cuda_base: bool = True
    fast_base: str = DEFAULT_FAST_BASE


def choose_base(
    config: CogConfig,
    requirements: Requirements,
    cuda: Cuda | None,
    wishes: BaseWishes,
    is_available: Callable[[str], bool],
) -> BaseImage:
    """Return the base image of a model. Raises UserError if a required image does not exist."""
    if config.build.fast:
        return _fast_base(wishes, is_available)
    warning = None
    if wishes.use_cog_base is not False:
        name = cog_base_name(config, requirements, cuda, wishes.registry)
        if name is not None and is_available(name):
            return BaseImage(name, BaseKind.COG_BASE)
        if wishes.use_cog_base:
            raise UserError(_unsupported(config, requirements, cuda))
        reason = f"{name} is not available" if name else _unsupported(config, requirements, cuda)
        warning = f"Could not find a suitable base image, continuing without base image support ({reason})."
    if cuda is not None and wishes.use_cuda_base:
        return BaseImage(cuda_base_image(cuda), BaseKind.CUDA, warning)
    return BaseImage(f"python:{config.build.python_version}-slim", BaseKind.SLIM, warning)


def cog_base_name(
    config: CogConfig, requirements: Requirements, cuda: Cuda | None, registry: str
) -> str | None:
    """Return the name of the cog-base image for this configuration, None if there is none."""
    python = ".".join(config.build.python_version.split(".")[:2])
    torch = choose_torch(config.build, requirements)
    if torch is None and requirements.names("torch"):
        return None
    version = _full(torch.version) if torch else None
    # For a release that is newer than our table, ask the registry.
    if torch and version and not torch.is_newer:
        if not knows_torch(version, python, cuda.minor if cuda else None):
            return None
    parts = [f"cuda{cuda.minor}"] if cuda else []
    parts.append(f"python{python}")
    if version:
        parts.append(f"torch{version}")
    return f"{registry}/cog-base:{'-'.join(parts)}"


def _full(version: str) -> str:
    """Return `2.0.0` for `2.0` and for `2.0.0+cu118`."""
    parts = version.partition("+")[0].split(".")
    return ".".join([*parts, *("0" for _ in range(3 - len(parts)))])


def _fast_base(wishes: BaseWishes, is_available: Callable[[str], bool]) -> BaseImage:
    if not is_available(wishes.fast_base):
        raise UserError(
            f"the base image of fast builds, {wishes.fast_base}, is not available",
            hint=f"set {FAST_BASE_VARIABLE} to an image built from Dockerfile.base, or set fast: false",
        )
    return BaseImage(wishes.fast_base, BaseKind.COG_BASE)


def _unsupported(config: CogConfig, requirements: Requirements, cuda: Cuda | None) -> str:
    torch = choose_torch(config.build, requirements)
    return (
        f"unsupported base image configuration: CUDA: {cuda.version if cuda else '(none)'} / "
        f"Python: {config.build.python_version} / Torch: {torch.version if torch else '(none)'}"
    )
