"""Image names, `host/repository:tag`, and the one to which a model is pushed."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from coglet_cli.config import CogConfig
from coglet_cli.errors import UserError

REGISTRY_VARIABLE: Final = "COG_REGISTRY_HOST"
DEFAULT_REGISTRY: Final = "r8.im"
_MODEL_VARIABLES: Final = ("COG_MODEL", "COG_MODEL_REGISTRY", "COG_MODEL_REPO", "COG_MODEL_TAG")


def push_target(config: CogConfig, image: str | None, environ: Mapping[str, str]) -> str:
    """Return the name to push to, including the registry. Raises UserError if there is none or a conflict."""
    given = [name for name in _MODEL_VARIABLES if environ.get(name)]
    if config.image and given:
        raise UserError(
            f"'image' in cog.yaml cannot be combined with {given[0]}",
            hint=f"unset {given[0]}, or use 'model'",
        )
    if config.model or given:
        if image:
            raise UserError(
                "positional image argument not supported with 'model' config",
                hint="set COG_MODEL to push to another repository,\nor COG_MODEL_TAG to use another tag",
            )
        return model_reference(config.model, environ)
    if target := image or config.image:
        return target
    raise UserError(
        "To push images, you must either set the 'image' option in cog.yaml or pass an image name as an "
        "argument. For example, 'cog push registry.example.com/your-username/model-name'"
    )


def model_reference(model: str | None, environ: Mapping[str, str]) -> str:
    """Return `host/repository:tag` from `model` of cog.yaml and the variables COG_MODEL*.

    Raises UserError if host or repository is missing, or the tag is reserved.
    """
    if reference := environ.get("COG_MODEL"):
        return reference
    registry, _, path = (model or "").partition("/")
    repository = environ.get("COG_MODEL_REPO") or path
    host = environ.get("COG_MODEL_REGISTRY") or registry
    tag = environ.get("COG_MODEL_TAG") or datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    if tag.startswith("cog-"):
        raise UserError(f"invalid COG_MODEL_TAG {tag!r}: tags that start with cog- are reserved")
    if not host or not repository:
        raise UserError("no registry or repository to push to", hint="set COG_MODEL, or model in cog.yaml")
    return f"{host}/{repository}:{tag}"


def replicate_page(name: str) -> str | None:
    """Return the page of a model that was pushed to Replicate; None for another registry."""
    host, _, path = without_tag(name).partition("/")
    return f"https://replicate.com/{path}" if host == DEFAULT_REGISTRY else None


def without_tag(name: str) -> str:
    """Return the repository of an image: its name without tag and digest."""
    head, slash, last = name.partition("@")[0].rpartition("/")
    return f"{head}{slash}{last.split(':')[0]}"


def repository_and_tag(name: str) -> tuple[str, str]:
    """Return repository and tag of a name; the tag is `latest` if it has none."""
    head, slash, last = name.rpartition("/")
    repository, _, tag = last.partition(":")
    return f"{head}{slash}{repository}", tag or "latest"
