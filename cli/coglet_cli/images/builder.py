"""The steps of a build, from a model to a labeled image on the engine."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from coglet_cli.config import CogConfig
from coglet_cli.dockerfile import BaseKind, StandardGenerator, new_generator
from coglet_cli.dockerfile.text import env_line
from coglet_cli.engine.build_options import BuildOptions
from coglet_cli.engine.context import Context
from coglet_cli.engine.ignore import IgnoreRules
from coglet_cli.errors import UserError
from coglet_cli.formats.text_files import read_text
from coglet_cli.images import weights as separate
from coglet_cli.images.freeze import cached_freeze
from coglet_cli.images.labels import cog_base_labels, model_labels, with_legacy_labels
from coglet_cli.images.lock import build_lock
from coglet_cli.images.preparation import BuildFlags, Prepared, prepare
from coglet_cli.images.secrets import secret_arguments, ssh_arguments
from coglet_cli.project.folder import Project
from coglet_cli.project.model import LocalModel
from coglet_cli.registry.references import DEFAULT_REGISTRY
from coglet_cli.terminal import Terminal

if TYPE_CHECKING:
    from coglet_cli.engine.buildkit import BuildKit
    from coglet_cli.engine.client import Engine
    from coglet_cli.progress import Progress

_NAME_LIMIT: Final = 30
_SCHEMA_PLACE: Final = "/src/.cog/openapi_schema.json"


@dataclass(frozen=True)
class Built:
    """An image, and its OpenAPI document."""

    name: str
    schema: bytes


def image_name(config: CogConfig, project: Project, tag: str | None = None) -> str:
    """Return `--tag`, else `image` or `model` of cog.yaml, else a name derived from the folder's."""
    if named := tag or config.image or config.model:
        return named
    name = project.folder.resolve().name.lower().replace(" ", "-")
    return ("cog-" + re.sub(r"[^a-z0-9-]", "", name))[:_NAME_LIMIT].rstrip("-")


class ImageBuilder:
    """Builds the images of one model on one engine."""

    def __init__(self, model: LocalModel, flags: BuildFlags, engine: "Engine", terminal: Terminal) -> None:
        self._model = model
        self._flags = flags
        self._engine = engine
        self._terminal = terminal
        self._buildkit = _buildkit(model.config)

    def build(
        self,
        name: str,
        schema: bytes,
        *,
        annotations: Mapping[str, str] | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> Built:
        """Build the complete image: with source, schema, `files` and labels. Raises UserError on failure."""
        with build_lock(self._model.project.folder):
            temporary = _temporary_name(name)
            prepared = self._prepare(temporary)
            self._build(prepared, temporary)
            self._terminal.info("Adding labels to image...")
            labels = self._labels(prepared, schema, temporary)
            added = {**({_SCHEMA_PLACE: schema} if schema else {}), **(files or {})}
            self._engine.finish(temporary, added, {**labels, **(annotations or {})})
            if self._flags.timestamp is not None:
                self._engine.redate(temporary, self._flags.timestamp, prepared.plan.base)
            if temporary != name:
                self._engine.tag(temporary, name)
                self._engine.remove(temporary)
        return Built(name, schema)

    def build_base(self, name: str) -> str:
        """Build an image without source, for a project mounted at /src. Raises UserError on failure."""
        with build_lock(self._model.project.folder):
            prepared = prepare(self._model, self._flags, self._engine.is_available, self._terminal)
            self._build(replace(prepared, plan=replace(prepared.plan, has_source=False)), name)
        return name

    def _labels(self, prepared: Prepared, schema: bytes, image: str) -> dict[str, str]:
        labels = model_labels(
            replace(self._model.config, max_concurrency=prepared.plan.max_concurrency),
            schema,
            self._pip_freeze(image),
            self._model.project.folder,
        )
        base = self._engine.find(prepared.plan.base) if prepared.plan.kind is BaseKind.COG_BASE else None
        if base is not None and not prepared.plan.config.build.fast:
            labels.update(cog_base_labels(prepared.plan.base, base.layers))
        return with_legacy_labels(labels) if self._flags.legacy_labels else labels

    def _prepare(self, name: str) -> Prepared:
        prepared = prepare(self._model, self._flags, self._engine.is_available, self._terminal)
        is_fast = prepared.plan.config.build.fast
        if not (is_fast or self._flags.separate_weights):
            return prepared
        folder = self._model.project.folder
        found = separate.find_weights(folder)
        if is_fast:
            rules = IgnoreRules.of(folder)
            kept = tuple(path for path in found if not rules.excludes(path))
            return replace(prepared, plan=replace(prepared.plan, weights=kept))
        if not found:
            return prepared
        weights_image = f"{name}-weights"
        plan = replace(prepared.plan, weights=tuple(found), weights_image=weights_image)
        self._build_weights(StandardGenerator(plan).generate_weights(), found, weights_image)
        return replace(prepared, plan=plan)

    def _build_weights(self, dockerfile: str, found: list[str], name: str) -> None:
        folder = self._model.project.folder
        if separate.is_unchanged(folder, found) and self._engine.find(name) is not None:
            self._terminal.info("Weights unchanged, skip rebuilding and use cached image...")
            return
        context = Context(dockerfile, folder=folder, rules=separate.OnlyWeights(found), prefix="")
        self._engine.build(context, name, self._progress(), self._options)
        separate.remember(folder, found)

    def _build(self, prepared: Prepared, name: str) -> None:
        folder = self._model.project.folder
        plan = replace(prepared.plan, use_buildkit=self._buildkit is not None)
        elsewhere = plan.weights if plan.weights_image else ()
        rules = IgnoreRules.of(folder, [pattern for path in elsewhere for pattern in (path, f"{path}/**")])
        if self._flags.dockerfile:
            context = Context(
                self._own_dockerfile(plan.max_concurrency), folder=folder, rules=rules, prefix=""
            )
        else:
            source = folder if plan.has_source else None
            self._warn_of_excluded(rules, has_source=plan.has_source)
            context = Context(
                new_generator(plan).generate(), prepared.staged, source, rules, weights=plan.weights
            )
        self._send(context, name)

    def _send(self, context: Context, name: str) -> None:
        if self._buildkit is None:
            self._engine.build(context, name, self._progress(), self._options)
            return
        mounts = [
            *secret_arguments(self._flags.secrets, self._model.project.folder),
            *ssh_arguments(self._flags.ssh),
        ]
        self._buildkit.build(context, name, self._progress(), self._options, mounts)

    def _own_dockerfile(self, max_concurrency: int | None) -> str:
        path = Path(self._flags.dockerfile or "")
        try:
            text = read_text(path).rstrip("\n") + "\n"
        except OSError as error:
            raise UserError(f"failed to read {path}: {error.strerror}") from None
        return text + (env_line("COG_MAX_CONCURRENCY", str(max_concurrency)) if max_concurrency else "")

    def _warn_of_excluded(self, rules: IgnoreRules, *, has_source: bool) -> None:
        for reference in (self._model.config.run, self._model.config.train):
            file = reference.split(":")[0] if reference else ""
            if file and has_source and rules.excludes(file):
                self._terminal.warning(f".dockerignore excludes {file}: the model cannot start without it")

    def _pip_freeze(self, image: str) -> str:
        facts = self._engine.find(image)
        # Without the last layer, the source, which does not change the packages. If there is one more layer
        # on top of the source, the cache only misses.
        layers = facts.layers[:-1] if facts else ()
        return cached_freeze(
            self._model.project.folder,
            layers,
            lambda: self._engine.output_of(image, ["python", "-m", "pip", "freeze"]).strip(),
        )

    @property
    def _options(self) -> BuildOptions:
        return BuildOptions(self._flags.no_cache, self._flags.platform, self._flags.timestamp)

    def _progress(self) -> "Progress":
        from coglet_cli.progress import Progress

        return Progress(self._flags.progress, self._terminal)


def _temporary_name(name: str) -> str:
    """Return the name under which an image is built; for Replicate, one that no registry has."""
    if not name.startswith(f"{DEFAULT_REGISTRY}/"):
        return name
    return f"cog-tmp:{hashlib.sha256(name.encode()).hexdigest()}"


def _buildkit(config: CogConfig) -> "BuildKit | None":
    """Return BuildKit if it is available. Raises UserError if the model cannot be built without it."""
    from coglet_cli.engine.buildkit import BuildKit

    found = None if os.environ.get("DOCKER_BUILDKIT") == "0" else BuildKit.find()
    needs = any(command.mounts for command in (*config.build.run, *config.build.pre_install))
    if needs and found is None:
        raise UserError(
            "build.run with mounts needs BuildKit, which this Docker client does not support",
            hint="install the docker-buildx plugin, or unset DOCKER_BUILDKIT=0",
        )
    return found
