"""Weights as OCI artifacts: files in tar layers, and a manifest that lists the layers.

Archives are not written to disk: they are generated from the files in the store during the upload. The
same files always yield the same bytes, so that the digest can be computed before.
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

# The content of the configuration of an artifact that has none.
EMPTY: Final = b"{}"
# Small files share a layer; a change of a large file uploads only that file.
LAYER_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True)
class StoredFile:
    """A file in the store, with its path relative to the target."""

    path: str
    size: int
    digest: str


def grouped(files: Sequence[StoredFile]) -> Iterator[list[StoredFile]]:
    """Yield the files of each layer."""
    group: list[StoredFile] = []
    for file in files:
        if group and sum(member.size for member in group) + file.size > LAYER_BYTES:
            yield group
            group = []
        group.append(file)
    if group:
        yield group


def layer_content(files: Sequence[StoredFile], store: WeightStore) -> Iterator[bytes]:
    """Yield the tar archive of these files in pieces."""
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
    """Return the layers with their files, and all files with the digests of their layers."""
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
    """Return the OCI manifest of a weight."""
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
    """Return the tag of a weight in its model's repository."""
    return f"cog-weight.{weight.name}.{weight.digest.removeprefix('sha256:')[:12]}"


def digest_of(data: bytes) -> str:
    """Return `sha256:` and the hexadecimal digest of `data`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
