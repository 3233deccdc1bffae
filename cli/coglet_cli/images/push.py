"""`cog push`: building a model's image and pushing it to its registry."""

import os
import secrets
import time
import uuid
from typing import TYPE_CHECKING

from coglet_cli.errors import UserError
from coglet_cli.images.build import weights_files
from coglet_cli.images.builder import ImageBuilder
from coglet_cli.images.document import image_document
from coglet_cli.images.labels import PUSH_ID
from coglet_cli.images.preparation import BuildFlags
from coglet_cli.project.model import load_local_model
from coglet_cli.registry.references import push_target, replicate_page, without_tag
from coglet_cli.terminal import Terminal

if TYPE_CHECKING:
    from coglet_cli.engine.client import Engine
    from coglet_cli.progress import Progress


def push_image(file: str, image: str | None, flags: BuildFlags, terminal: Terminal) -> None:
    """Build the model of the current folder and push it to its registry. Raises UserError on failure."""
    from coglet_cli.engine.client import Engine
    from coglet_cli.progress import Progress
    from coglet_cli.weights.bundle import image_tag, push_bundle, show_bundle

    model = load_local_model(file, terminal, strict=flags.strict)
    target = push_target(model.config, image, os.environ)
    files = weights_files(model)
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
        terminal.success(f"  image  {without_tag(name)}@{digest}")
    if page := replicate_page(target):
        terminal.info(f"Run your model on Replicate:\n    {page}")


def _push(engine: "Engine", name: str, progress: "Progress", terminal: Terminal) -> str | None:
    """Push with our own OCI push when COG_PUSH_OCI=1, else with the engine; return the digest there."""
    from coglet_cli.registry.credentials import reused_credentials
    from coglet_cli.registry.layer_push import SWITCH, PushSettings, push_layers

    if os.environ.get(SWITCH) == "1":
        settings = PushSettings.from_environment(os.environ)
        try:
            return push_layers(engine, name, settings, terminal)
        except (UserError, OSError) as error:
            terminal.warning(f"{error}; pushing with the Docker daemon instead")
    return engine.push(name, progress, reused_credentials(name, os.environ, terminal))


def _push_id() -> str:
    """Return a UUID of version 7 (RFC 9562, 5.7), which sorts by time."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))
