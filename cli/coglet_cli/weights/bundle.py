"""A model in a registry: an OCI index that refers to its image and its managed weights."""

import json
from dataclasses import dataclass
from typing import Any, Final

import httpx

from coglet_cli.project.model import LocalModel
from coglet_cli.registry.media_types import INDEX_TYPE, MANIFEST_TYPE, WEIGHT_TYPE
from coglet_cli.registry.references import repository_and_tag
from coglet_cli.registry.repository import Repository
from coglet_cli.terminal import Terminal
from coglet_cli.weights.artifact import digest_of, tag_of
from coglet_cli.weights.lockfile import LockedWeight, require_lock

_PLATFORM: Final = {"architecture": "amd64", "os": "linux"}


@dataclass(frozen=True)
class Bundle:
    """References with digests of what was pushed; those of the weights by name."""

    model: str
    image: str
    weights: dict[str, str]


def image_tag(target: str) -> str:
    """Return the name for the image of the bundle `target`."""
    repository, tag = repository_and_tag(target)
    return f"{repository}:cog-image.{tag}"


def push_bundle(model: LocalModel, target: str) -> Bundle:
    """Push an index of the pushed image and the imported weights as `target`.

    Raises UserError if the registry fails, or weights.lock does not match cog.yaml.
    """
    name, tag = repository_and_tag(target)
    lock = require_lock(model.config, model.project.folder)
    with Repository(name) as repository:
        image = repository.manifest(f"cog-image.{tag}")
        weights = {weight.name: _weight(repository, weight) for weight in lock.weights}
        entries = [{**_descriptor(image), "platform": _PLATFORM}, *weights.values()]
        index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries}
        data = json.dumps(index, separators=(",", ":")).encode()
        repository.put_manifest(tag, data, INDEX_TYPE)
    return Bundle(
        f"{name}@{digest_of(data)}",
        f"{name}@{digest_of(image.content)}",
        {weight: f"{name}@{entry['digest']}" for weight, entry in weights.items()},
    )


def show_bundle(bundle: Bundle, terminal: Terminal) -> None:
    """Print the bundle as a tree."""
    rows = [f"image  {bundle.image}", *(f"weight {name} {ref}" for name, ref in bundle.weights.items())]
    branches = ["├─"] * (len(rows) - 1) + ["└─"]
    lines = [f"  {branch} {row}" for branch, row in zip(branches, rows, strict=True)]
    terminal.success("\n".join([f"  model  {bundle.model}", *lines]))


def _weight(repository: Repository, weight: LockedWeight) -> dict[str, Any]:
    found = repository.manifest(tag_of(weight))
    annotations = {"run.cog.weight.name": weight.name, "run.cog.weight.target": weight.target}
    return {**_descriptor(found), "artifactType": WEIGHT_TYPE, "annotations": annotations}


def _descriptor(answer: httpx.Response) -> dict[str, Any]:
    return {
        "mediaType": answer.headers.get("Content-Type", MANIFEST_TYPE),
        "digest": digest_of(answer.content),
        "size": len(answer.content),
    }
