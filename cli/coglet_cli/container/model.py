"""A model in a container: an existing image, or one for the current folder, which is mounted."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from coglet_cli.images.builder import ImageBuilder, image_name
from coglet_cli.images.labels import config_of, schema_of
from coglet_cli.images.preparation import BuildFlags
from coglet_cli.local.model import LocalOptions, parse_variables
from coglet_cli.project.model import LocalModel
from coglet_cli.server.log import LogView
from coglet_cli.terminal import Terminal

if TYPE_CHECKING:
    from coglet_cli.engine.client import Engine
    from coglet_cli.engine.container import ContainerPlan

# Starts the server in our images and in those of Cog; server flags may follow.
SERVER_COMMAND: Final = ("python", "--check-hash-based-pycs", "never", "-m", "cog.server.http")


@dataclass(frozen=True)
class DockerOptions:
    """The flags that commands with a container share; `image` is None for the model of the current folder."""

    local: LocalOptions
    image: str | None = None
    gpus: str | None = None
    flags: BuildFlags = field(default_factory=BuildFlags)


@dataclass(frozen=True)
class DockerModel:
    """A model whose image is on the engine. `folder` is mounted; None if the image contains the source.

    `weights` maps paths in the container to the folders of managed weights that are mounted there.
    """

    image: str
    folder: Path | None
    has_gpu: bool
    document: Mapping[str, Any] | None
    weights: Mapping[str, Path] = field(default_factory=dict)


def find_image(engine: "Engine", name: str, flags: BuildFlags, terminal: Terminal) -> DockerModel:
    """Return a model's image, pulled if it is not on the engine.

    Raises UserError if there is no such image, or if it was not built by cog.
    """
    from coglet_cli.progress import Progress
    from coglet_cli.registry.credentials import reused_credentials

    facts = engine.find(name)
    if facts is None:
        terminal.info(f"Pulling image: {name}")
        credentials = reused_credentials(name, os.environ, terminal)
        facts = engine.pull(name, Progress(flags.progress, terminal), flags.platform, credentials)
    config = config_of(name, facts.labels)
    if config.get("weights"):
        terminal.warning(
            f"the managed weights of {name} are not mounted; to use them, run it from its folder"
        )
    has_gpu = bool((config.get("build") or {}).get("gpu"))
    return DockerModel(name, None, has_gpu, schema_of(facts.labels))


def build_model(
    engine: "Engine",
    model: LocalModel,
    flags: BuildFlags,
    document: Mapping[str, Any] | None,
    terminal: Terminal,
) -> DockerModel:
    """Build the image of the current folder without its source, which is mounted instead."""
    weights = {}
    if model.config.weights:
        from coglet_cli.weights.project import mounts

        weights = mounts(model)
    terminal.info("Building Docker image from environment in cog.yaml...")
    builder = ImageBuilder(model, flags, engine, terminal)
    image = builder.build_base(_base_name(image_name(model.config, model.project)))
    return DockerModel(image, model.project.folder, model.config.build.gpu, document, weights)


def _base_name(image: str) -> str:
    """Return the name of the image without source; a colon before the last slash belongs to a port."""
    head, slash, last = image.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}-base"


def container_plan(
    model: DockerModel, options: DockerOptions, terminal: Terminal
) -> tuple["ContainerPlan", Callable[[str], None]]:
    """Return how to start a model's server, and the function that shows a line of its log."""
    from coglet_cli.engine.container import ALL_GPUS, MODEL_PORT, ContainerPlan
    from coglet_cli.server.address import LOOPBACK

    view = LogView.choose(os.environ, debug=options.local.debug)
    forwarded = {name: os.environ[name] for name in ("RUST_LOG", "LOG_FORMAT") if name in os.environ}
    variables = {
        **view.variables,
        **forwarded,
        **parse_variables(options.local.environment, os.environ),
    }

    def show_line(line: str) -> None:
        view.show(line, terminal)

    plan = ContainerPlan(
        model.image,
        environment=variables,
        folder=model.folder,
        read_only=model.weights,
        user=owner_of(model.folder),
        gpus=options.gpus or (ALL_GPUS if model.has_gpu else None),
        are_gpus_optional=options.gpus is None,
        ports={MODEL_PORT: (LOOPBACK, 0)},
    )
    return plan, show_line


def owner_of(folder: Path | None) -> str | None:
    """Return `uid:gid` of the mounted folder's owner, who shall also own files that the container creates."""
    if folder is None:
        return None
    status = folder.stat()
    return f"{status.st_uid}:{status.st_gid}"
