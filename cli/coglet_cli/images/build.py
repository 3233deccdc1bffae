"""`cog build` and `cog debug`: building a model's image, or printing its Dockerfile."""

from dataclasses import replace

from coglet_cli.dockerfile import StandardGenerator, new_generator
from coglet_cli.images.availability import Availability
from coglet_cli.images.builder import ImageBuilder, image_name
from coglet_cli.images.document import image_document
from coglet_cli.images.preparation import BuildFlags, prepare
from coglet_cli.images.weights import find_weights
from coglet_cli.project.model import LocalModel, load_local_model
from coglet_cli.terminal import Terminal

_WEIGHTS_PLACE = "/src/.cog/weights.json"


def build_image(file: str, tag: str | None, flags: BuildFlags, terminal: Terminal) -> None:
    """Build an image of the model in the current folder. Raises UserError if it cannot be built."""
    from coglet_cli.engine.client import Engine

    model = load_local_model(file, terminal, strict=flags.strict)
    name = image_name(model.config, model.project, tag)
    files = weights_files(model)
    schema = image_document(model, flags)  # before connecting: errors in the source need no engine
    engine = Engine.connect()
    terminal.info(f"Building Docker image from environment in {file} as {name}...")
    ImageBuilder(model, flags, engine, terminal).build(name, schema, files=files)
    terminal.success(f"Image built as {name}")


def weights_files(model: LocalModel) -> dict[str, bytes]:
    """Return the files, by path, that list an image's managed weights.

    Raises UserError if weights.lock does not match cog.yaml.
    """
    if not model.config.weights:
        return {}
    from coglet_cli.weights.project import weights_manifest

    return {_WEIGHTS_PLACE: weights_manifest(model)}


def print_dockerfiles(file: str, name: str | None, flags: BuildFlags, terminal: Terminal) -> None:
    """Print the Dockerfiles that a build would use. Raises UserError if the model cannot be built."""
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
