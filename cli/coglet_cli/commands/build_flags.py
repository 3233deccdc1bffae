"""The flags of commands that build an image."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from coglet_cli.errors import UserError

if TYPE_CHECKING:
    from coglet_cli.images.preparation import BuildFlags

_BASE_FLAGS = ("use_cog_base_image", "use_cuda_base_image", "dockerfile")
# Flags that have no effect on the user's own Dockerfile.
_NOT_WITH_DOCKERFILE = {
    "fast": "--x-fast",
    "separate_weights": "--separate-weights",
    "strip": "--strip",
    "precompile": "--precompile",
}


def base_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--progress` and the flags that select the base image, for all commands that may build."""
    for flag in reversed(_BASE):
        command = flag(command)
    return command


def image_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags that only `build` and `push` have."""
    for flag in reversed(_IMAGE):
        command = flag(command)
    return command


_BASE = (
    click.option(
        "--progress",
        type=click.Choice(["auto", "tty", "plain", "quiet"]),
        default=None,
        help="How to show the build's progress. Default: BUILDKIT_PROGRESS, else auto.",
    ),
    click.option(
        "--use-cog-base-image",
        type=click.BOOL,
        default=None,
        metavar="BOOL",
        help="true requires a cog-base image, false uses none. Default: use one if it exists.",
    ),
    click.option(
        "--use-cuda-base-image",
        type=click.Choice(["auto", "true", "false"]),
        default=None,
        help="false builds a GPU model from a plain Python image.",
    ),
    click.option("--dockerfile", metavar="FILE", hidden=True, help="Build this Dockerfile instead."),
    click.option(
        "--platform",
        type=click.Choice(["linux/amd64", "linux/arm64"]),
        default=None,
        help="Platform of the image. Default: linux/amd64.",
    ),
    click.option("--x-fast", "fast", is_flag=True, help="Use a base image that already contains the server."),
)
_IMAGE = (
    click.option("--no-cache", is_flag=True, help="Do not use the build cache."),
    click.option(
        "--separate-weights", is_flag=True, help="Put files of 10 MiB or more into a separate image."
    ),
    click.option(
        "--secret",
        "secrets",
        multiple=True,
        metavar="id=NAME[,src=FILE|,env=VARIABLE]",
        help="A secret that commands of build.run may mount. Repeatable.",
    ),
    click.option(
        "--ssh", multiple=True, metavar="default|ID=PATH", help="An SSH agent or key for build.run."
    ),
    click.option(
        "--openapi-schema", metavar="FILE", help="Use this OpenAPI document instead of a generated one."
    ),
    click.option("--strict", is_flag=True, help="Fail on unknown keys in cog.yaml."),
    click.option(
        "--legacy-labels", is_flag=True, help="Add the labels that old releases of Cog read: org.cogmodel.*."
    ),
    click.option("--strip", is_flag=True, hidden=True, help="Strip the shared libraries of packages."),
    click.option("--precompile", is_flag=True, hidden=True, help="Compile the packages to bytecode."),
)


def build_flags_from(given: dict[str, Any]) -> "BuildFlags":
    """Return the flags of a command line. Raises UserError if two of them exclude each other."""
    from coglet_cli.engine.build_options import PLATFORM
    from coglet_cli.images.preparation import BuildFlags
    from coglet_cli.progress import default_mode

    used = [f"--{name.replace('_', '-')}" for name in _BASE_FLAGS if given.get(name) is not None]
    if len(used) > 1:
        raise UserError(
            f"The flags {' and '.join(used)} are mutually exclusive: you can only set one of them."
        )
    for name, flag in _NOT_WITH_DOCKERFILE.items():
        if given.get(name) and given.get("dockerfile"):
            raise UserError(
                f"The flags {flag} and --dockerfile are mutually exclusive: you can only set one of them."
            )
    return BuildFlags(
        no_cache=given.get("no_cache", False),
        separate_weights=given.get("separate_weights", False),
        secrets=given.get("secrets", ()),
        ssh=given.get("ssh", ()),
        openapi_schema=given.get("openapi_schema"),
        progress=given.get("progress") or default_mode(os.environ),
        use_cog_base=given.get("use_cog_base_image"),
        use_cuda_base=given.get("use_cuda_base_image") != "false",
        dockerfile=given.get("dockerfile"),
        strip=given.get("strip", False),
        precompile=given.get("precompile", False),
        skip_schema=given.get("skip_schema_validation", False),
        fast=given.get("fast", False),
        platform=given.get("platform") or PLATFORM,
        strict=given.get("strict", False),
        legacy_labels=given.get("legacy_labels", False),
        timestamp=None if given.get("timestamp", -1) < 0 else given["timestamp"],
    )
