"""The flags that select where a model runs: on this machine or in a container."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from coglet_cli.commands.build_flags import build_flags_from
from coglet_cli.errors import UserError

if TYPE_CHECKING:
    from coglet_cli.container.model import DockerOptions
    from coglet_cli.local.model import LocalOptions

# Flags that have no meaning without a container.
_DOCKER_ONLY = {
    "gpus": "--gpus",
    "ports": "--publish",
    "use_cog_base_image": "--use-cog-base-image",
    "use_cuda_base_image": "--use-cuda-base-image",
    "dockerfile": "--dockerfile",
    "platform": "--platform",
    "fast": "--x-fast",
}

gpus_flag = click.option(
    "--gpus", metavar="GPUS", help="GPUs for the container: all, a number, or device=0,1."
)


def where_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--docker`, `--local` and `--gpus`."""
    for flag in reversed(_WHERE):
        command = flag(command)
    return command


_WHERE = (
    click.option("--docker", is_flag=True, help="Build an image of the folder and run the model in it."),
    click.option("--local", is_flag=True, help="Run the model on this machine (the default)."),
    gpus_flag,
)


def image_argument(arguments: Sequence[str]) -> str | None:
    """Return the image name, or None. Raises UserError if the arguments look like an input or a command."""
    if not arguments:
        return None
    if "=" in arguments[0]:
        raise UserError(f"Invalid image name '{arguments[0]}'. Did you forget `-i`?")
    if len(arguments) > 1:
        raise UserError(
            f"accepts at most 1 arg(s), received {len(arguments)}",
            hint=f'did you mean "cog exec {" ".join(arguments)}"?',
        )
    return arguments[0]


def docker_wanted(given: dict[str, Any], *, image: str | None, python: str | None, url: str | None) -> bool:
    """Return True if a flag or argument asks for a container. Raises UserError if another one excludes it."""
    asking = ["IMAGE"] if image else []
    asking += ["--docker"] if given.get("docker") else []
    asking += [flag for name, flag in _DOCKER_ONLY.items() if given.get(name) not in (None, False)]
    against = [
        name for name, is_set in (("--local", given["local"]), ("--python", python), ("--url", url)) if is_set
    ]
    if asking and against:
        raise UserError(f"{asking[0]} and {against[0]} exclude each other: {asking[0]} needs a container")
    return bool(asking)


def docker_options(given: dict[str, Any], local: "LocalOptions", image: str | None) -> "DockerOptions":
    """Return the options of a command that runs a container."""
    from coglet_cli.container.model import DockerOptions

    return DockerOptions(local, image, given.get("gpus"), build_flags_from(given))
