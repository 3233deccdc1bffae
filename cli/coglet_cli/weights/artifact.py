"""Weights as OCI artifacts: files in tar layers, and the manifest that names them.

Written to no disk: an archive is made of the files in the store while it is sent. The same files
always give the same bytes, so that its digest can be known before.
"""

import hashlib
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from coglet_cli.registry.media_types import EMPTY_TYPE, LAYER_TYPE, MANIFEST_TYPE, WEIGHT_TYPE
from coglet_cli.weights.lockfile import LockedFile, LockedLayer, LockedWeight
from coglet_cli.weights.store import WeightStore

# The configuration of an artifact that has none.
EMPTY: Final = b"{}"
# Small files travel together; a change of a large one sends that one alone.
LAYER_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True)
class StoredFile:
    """A file in the store, under its name below the target."""

    path: str
    size: int
    digest: str


def grouped(files: Sequence[StoredFile]) -> Iterator[list[StoredFile]]:
    """The files of each layer."""
    group: list[StoredFile] = []
    for file in files:
        if group and sum(member.size for member in group) + file.size > LAYER_BYTES:
            yield group
            group = []
        group.append(file)
    if group:
        yield group


def layer_content(files: Sequence[StoredFile], store: WeightStore) -> Iterator[bytes]:
    """The archive of these files, in pieces."""
    for file in files:
        entry = tarfile.TarInfo(file.path)
        entry.size = file.size
        entry.mode = 0o444
        yield entry.tobuf(tarfile.PAX_FORMAT)
        yield from store.read(file.digest)
        yield b"\0" * (-file.size % tarfile.BLOCKSIZE)
    yield b"\0" * 2 * tarfile.BLOCKSIZE


def packed(
    files: Sequence[StoredFile], store: WeightStore
) -> tuple[dict[LockedLayer, list[StoredFile]], tuple[LockedFile, ...]]:
    """The layers with the files of each, and all files with the layer that each is in."""
    layers: dict[LockedLayer, list[StoredFile]] = {}
    locked = []
    for group in grouped(files):
        digest, size = hashlib.sha256(), 0
        for chunk in layer_content(group, store):
            digest.update(chunk)
            size += len(chunk)
        layer = LockedLayer(f"sha256:{digest.hexdigest()}", size)
        layers[layer] = group
        locked += [LockedFile(file.path, file.size, file.digest, layer.digest) for file in group]
    return layers, tuple(locked)


def manifest(name: str, target: str, layers: Sequence[LockedLayer]) -> bytes:
    """The document that stands for a weight in a registry."""
    document: Mapping[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": WEIGHT_TYPE,
        "config": {"mediaType": EMPTY_TYPE, "digest": digest_of(EMPTY), "size": len(EMPTY)},
        "layers": [{"mediaType": LAYER_TYPE, "digest": layer.digest, "size": layer.size} for layer in layers],
        "annotations": {"run.cog.weight.name": name, "run.cog.weight.target": target},
    }
    return json.dumps(document, separators=(",", ":")).encode()


def tag_of(weight: LockedWeight) -> str:
    """The tag of a weight in its model's repository."""
    return f"cog-weight.{weight.name}.{weight.digest.removeprefix('sha256:')[:12]}"


def digest_of(data: bytes) -> str:
    """`sha256:...`"""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
