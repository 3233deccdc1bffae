"""A project with managed weights: its configuration, repository and local store."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coglet_cli.cache_folder import cache_folder
from coglet_cli.config import CogConfig, Weight
from coglet_cli.errors import UserError
from coglet_cli.project.model import LocalModel, load_local_model
from coglet_cli.registry.references import model_reference, without_tag
from coglet_cli.terminal import Terminal
from coglet_cli.weights.lockfile import require_lock
from coglet_cli.weights.store import WeightStore

_REFERENCE_VARIABLES: Final = ("COG_MODEL", "COG_MODEL_REPO")


@dataclass(frozen=True)
class WeightsProject:
    """A project folder, its configuration, and where its weights are stored.

    `repository` is `host/path` in the registry.
    """

    folder: Path
    config: CogConfig
    repository: str
    store: WeightStore

    def chosen(self, names: Sequence[str]) -> list[Weight]:
        """Return the weights of these names, or all if there are none. Raises UserError for unknown names."""
        if not self.config.weights:
            raise UserError("no weights defined in cog.yaml")
        known = {weight.name: weight for weight in self.config.weights}
        for name in names:
            if name not in known:
                raise UserError(
                    f'weight "{name}" not found in cog.yaml', hint=f"cog.yaml has: {', '.join(known)}"
                )
        return [known[name] for name in names] if names else list(self.config.weights)


def open_project(file: str, terminal: Terminal) -> WeightsProject:
    """Return the project of the current folder. Raises UserError if cog.yaml has no `model` for weights."""
    model = load_local_model(file, terminal)
    return WeightsProject(
        model.project.folder,
        model.config,
        weights_repository(model.config, os.environ),
        WeightStore(cache_folder(os.environ)),
    )


def weights_repository(config: CogConfig, environ: Mapping[str, str]) -> str:
    """Return `host/path` of the repository for a model's weights. Raises UserError if there is none."""
    if config.image:
        raise UserError(
            "weight commands require 'model' in cog.yaml, not 'image' — rename 'image' to 'model'"
        )
    if not config.model and not any(environ.get(name) for name in _REFERENCE_VARIABLES):
        raise UserError(
            "weight commands require a model ref: set 'model' in cog.yaml, "
            "or export COG_MODEL / COG_MODEL_REPO"
        )
    return without_tag(model_reference(config.model, environ))


def weights_manifest(model: LocalModel) -> bytes:
    """Return the JSON list of weights for an image. Raises UserError if weights.lock is out of sync."""
    lock = require_lock(model.config, model.project.folder)
    entries = [
        {"name": weight.name, "target": weight.target, "digest": weight.digest, "size": weight.size}
        for weight in lock.weights
    ]
    return json.dumps({"weights": entries}, separators=(",", ":")).encode()


def mounts(model: LocalModel) -> dict[str, Path]:
    """Return the folders to mount in the model's container, by target. Raises UserError if one is absent."""
    if not model.config.weights:
        return {}
    folder = model.project.folder
    store = WeightStore(cache_folder(os.environ))
    lock = require_lock(model.config, folder)
    if absent := [weight.name for weight in lock.weights if store.missing(weight)]:
        raise UserError(
            f"weights are not on this machine: {', '.join(absent)}", hint="run `cog weights pull`"
        )
    return {weight.target: store.lay_out(weight, folder / ".cog" / "mounts") for weight in lock.weights}
