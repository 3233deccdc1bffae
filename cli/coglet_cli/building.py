"""What `cog build`, `cog push` and `cog debug` do."""

import os
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from coglet_cli.config import CogConfig
from coglet_cli.dockerfile import StandardGenerator, new_generator
from coglet_cli.errors import UserError
from coglet_cli.images.availability import Availability
from coglet_cli.images.builder import ImageBuilder, image_name
from coglet_cli.images.document import image_document
from coglet_cli.images.labels import PUSH_ID
from coglet_cli.images.prepare import DEFAULT_REGISTRY, BuildFlags, prepare
from coglet_cli.images.weights import find_weights
from coglet_cli.local_model import LocalModel, load_local_model
from coglet_cli.terminal import Terminal

if TYPE_CHECKING:
    from coglet_cli.engine.client import Engine
    from coglet_cli.engine.progress import Progress

_WEIGHTS_PLACE = "/src/.cog/weights.json"
_MODEL_VARIABLES = ("COG_MODEL", "COG_MODEL_REGISTRY", "COG_MODEL_REPO", "COG_MODEL_TAG")


def build_image(file: str, tag: str | None, flags: BuildFlags, terminal: Terminal) -> None:
    """Builds the model of the current folder. Raises UserError."""
    from coglet_cli.engine.client import Engine

    model = load_local_model(file, terminal, strict=flags.strict)
    name = image_name(model.config, model.project, tag)
    files = _weights_files(model)
    schema = image_document(model, flags)  # what is wrong with the source needs no engine to be told
    engine = Engine.connect()
    terminal.info(f"Building Docker image from environment in {file} as {name}...")
    ImageBuilder(model, flags, engine, terminal).build(name, schema, files=files)
    terminal.success(f"Image built as {name}")


def push_image(file: str, image: str | None, flags: BuildFlags, terminal: Terminal) -> None:
    """Builds the model of the current folder and sends it to its registry. Raises UserError."""
    from coglet_cli.engine.client import Engine
    from coglet_cli.engine.progress import Progress
    from coglet_cli.weights.bundle import image_tag, push_bundle, show_bundle

    model = load_local_model(file, terminal, strict=flags.strict)
    target = push_target(model.config, image, os.environ)
    files = _weights_files(model)
    name = image_tag(target) if files else target
    schema = image_document(model, flags)
    engine = Engine.connect()
    terminal.info(f"Building Docker image from environment in {file} as {name}...")
    builder = ImageBuilder(model, flags, engine, terminal)
    builder.build(name, schema, annotations={PUSH_ID: _push_id()}, files=files)
    if files:
        terminal.info(f"{len(model.config.weights)} managed weight(s)")
    terminal.info(f"Pushing to {target}...")
    digest = _push(engine, name, Progress(flags.progress, terminal), terminal)
    if files:
        show_bundle(push_bundle(model, target), terminal)
    else:
        terminal.success(f"  image  {_without_tag(name)}@{digest}")
    if page := replicate_page(target):
        terminal.info(f"Run your model on Replicate:\n    {page}")


def _push(engine: "Engine", name: str, progress: "Progress", terminal: Terminal) -> str | None:
    """The digest in the registry: by our own hand if COG_PUSH_OCI says so, else by the engine's."""
    from coglet_cli.engine.credentials import reused_credentials
    from coglet_cli.engine.layer_push import SWITCH, PushSettings, push_layers

    if os.environ.get(SWITCH) == "1":
        settings = PushSettings.from_environment(os.environ)
        try:
            return push_layers(engine, name, settings, terminal)
        except (UserError, OSError) as error:
            terminal.warning(f"{error}; pushing with the Docker daemon instead")
    return engine.push(name, progress, reused_credentials(name, os.environ, terminal))


def _weights_files(model: LocalModel) -> dict[str, bytes]:
    """What an image of a model with managed weights holds of them. Raises UserError when they drift."""
    if not model.config.weights:
        return {}
    from coglet_cli.weights.managing import weights_manifest

    return {_WEIGHTS_PLACE: weights_manifest(model)}


def push_target(config: CogConfig, image: str | None, environ: Mapping[str, str]) -> str:
    """The name to push to, registry included. Raises UserError when there is none."""
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
                hint="set COG_MODEL to push to another place,\nor COG_MODEL_TAG to push under another tag",
            )
        return model_reference(config.model, environ)
    if target := image or config.image:
        return target
    raise UserError(
        "To push images, you must either set the 'image' option in cog.yaml or pass an image name as an "
        "argument. For example, 'cog push registry.example.com/your-username/model-name'"
    )


def print_dockerfiles(file: str, name: str | None, flags: BuildFlags, terminal: Terminal) -> None:
    """Prints what would be built, on the base that a build takes. Raises UserError."""
    model = load_local_model(file, terminal)
    is_demanded = bool(flags.use_cog_base or flags.fast or model.config.build.fast)
    plan = prepare(model, flags, Availability(is_demanded=is_demanded), terminal).plan
    found = find_weights(model.project.folder) if flags.separate_weights else []
    if not found:
        print(new_generator(plan).generate(), end="")
        return
    image = f"{image_name(model.config, model.project, name)}-weights"
    plan = replace(plan, weights=tuple(found), weights_image=image)
    _section("Weights Dockerfile contents", StandardGenerator(plan).generate_weights())
    _section("Runner Dockerfile contents", new_generator(plan).generate())
    _section("Weights exclude patterns", "\n".join(found) + "\n")


def _section(title: str, text: str) -> None:
    print(f"=== {title}:\n{text}===")


def model_reference(model: str | None, environ: Mapping[str, str]) -> str:
    """`host/repository:tag`: `model` of cog.yaml, as the environment changes it. Raises UserError."""
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
    """Where a model that was pushed to Replicate can be run; None for another registry."""
    host, _, path = _without_tag(name).partition("/")
    return f"https://replicate.com/{path}" if host == DEFAULT_REGISTRY else None


def _without_tag(name: str) -> str:
    head, slash, last = name.partition("@")[0].rpartition("/")
    return f"{head}{slash}{last.split(':')[0]}"


def _push_id() -> str:
    """A UUID of version 7 (RFC 9562, 5.7): its order is the one of time."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))
