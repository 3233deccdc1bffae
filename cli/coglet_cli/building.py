"""What `cog build` and `cog push` do."""

from coglet_cli.images.builder import Built, ImageBuilder, image_name
from coglet_cli.images.prepare import BuildFlags
from coglet_cli.local_model import load_local_model
from coglet_cli.terminal import Terminal


def build_image(file: str, tag: str | None, flags: BuildFlags, terminal: Terminal) -> Built:
    """Builds the model of the current folder. Raises UserError."""
    from coglet_cli.engine.client import Engine

    model = load_local_model(file, terminal)
    name = image_name(model.config, model.project, tag)
    terminal.info(f"Building Docker image from environment in {file} as {name}...")
    built = ImageBuilder(model, flags, Engine.connect(), terminal).build(name)
    terminal.success(f"Image built as {name}")
    return built
