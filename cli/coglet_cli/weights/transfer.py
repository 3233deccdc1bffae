"""`cog weights import` and `cog weights pull`: upload to the registry, and download from it."""

import tarfile
from collections.abc import Iterator, Sequence
from typing import IO, cast

from coglet_cli.config import Weight
from coglet_cli.errors import UserError
from coglet_cli.registry.repository import Repository
from coglet_cli.terminal import Terminal
from coglet_cli.weights.artifact import EMPTY, StoredFile, digest_of, layer_content, manifest, packed, tag_of
from coglet_cli.weights.lockfile import Lock, LockedLayer, LockedWeight, read_lock, require_lock, write_lock
from coglet_cli.weights.project import WeightsProject
from coglet_cli.weights.size import readable
from coglet_cli.weights.sources import SourceFile, source_files
from coglet_cli.weights.store import CHUNK_BYTES, WeightStore


def import_weights(
    project: WeightsProject, names: Sequence[str], terminal: Terminal, *, dry_run: bool, verbose: bool
) -> None:
    """Upload the files of the sources to the registry and write weights.lock. Raises UserError on failure."""
    wanted = [(weight, source_files(weight, project.folder)) for weight in project.chosen(names)]
    if dry_run:
        for weight, files in wanted:
            terminal.info(f"Would import {weight.name}: {len(files)} file(s) for {weight.target}")
            _list(files, terminal)
        return
    before = read_lock(project.folder) or Lock()
    imported = {}
    with Repository(project.repository) as repository:
        for weight, files in wanted:
            terminal.info(f"Importing {weight.name}...")
            if verbose:
                _list(files, terminal)
            imported[weight.name] = _import(weight, files, project.store, repository)
            terminal.success(_summary(imported[weight.name], project.repository))
    kept = [imported.get(weight.name) or before.find(weight.name) for weight in project.config.weights]
    write_lock(project.folder, Lock(tuple(weight for weight in kept if weight)))
    terminal.success("weights.lock written")


def _list(files: Sequence[SourceFile], terminal: Terminal) -> None:
    for file in files:
        terminal.log(f"  {file.path}  {file.origin}")


def _summary(weight: LockedWeight, repository: str) -> str:
    return (
        f"Imported {weight.name}: {len(weight.files)} file(s), {readable(weight.size)}, "
        f"as {repository}:{tag_of(weight)}"
    )


def _import(
    weight: Weight, files: Sequence[SourceFile], store: WeightStore, repository: Repository
) -> LockedWeight:
    stored = []
    for file in files:
        digest = store.add(file.read())
        stored.append(StoredFile(file.path, store.path(digest).stat().st_size, digest))
    layers, locked = packed(stored, store)
    document = manifest(weight.name, weight.target, list(layers))
    result = LockedWeight(
        weight.name, weight.target, weight.sources, digest_of(document), tuple(layers), locked
    )
    for layer, group in layers.items():
        repository.upload(layer.digest, layer.size, layer_content(group, store))
    repository.upload(digest_of(EMPTY), len(EMPTY), [EMPTY])
    repository.put_manifest(tag_of(result), document)
    return result


def pull_weights(project: WeightsProject, names: Sequence[str], terminal: Terminal, *, verbose: bool) -> None:
    """Download the files that are not in the store. Raises UserError on failure."""
    chosen = {weight.name for weight in project.chosen(names)}
    lock = require_lock(project.config, project.folder)
    weights = [weight for weight in lock.weights if weight.name in chosen]
    size = files = layers = pulled = 0
    with Repository(project.repository) as repository:
        for weight in weights:
            missing = project.store.missing(weight)
            needed = {file.layer for file in missing}
            for layer in weight.layers:
                if layer.digest in needed:
                    if verbose:
                        terminal.info(f"Pulling {layer.digest[:19]} of {weight.name}, {readable(layer.size)}")
                    _pull(layer, weight, project.store, repository)
            files, layers, pulled = files + len(missing), layers + len(needed), pulled + bool(missing)
            size += sum(file.size for file in missing)
    if not pulled:
        terminal.success(f"All {len(weights)} weight(s) already cached.")
        return
    terminal.success(
        f"Pulled {readable(size)} across {files} file(s) / {layers} layer(s) for {pulled} weight(s); "
        f"{len(weights) - pulled} already cached."
    )


def _pull(layer: LockedLayer, weight: LockedWeight, store: WeightStore, repository: Repository) -> None:
    wanted = {file.path: file for file in weight.files if file.layer == layer.digest}
    content = cast("IO[bytes]", _Stream(repository.blob(layer.digest)))
    try:
        with tarfile.open(fileobj=content, mode="r|") as archive:
            for entry in archive:
                # Stored under its digest, never under a name from the registry.
                if file := wanted.get(entry.name):
                    store.add(_content(archive, entry), file.digest, f"{entry.name} of {weight.name}")
    except tarfile.TarError as error:
        raise UserError(f"layer {layer.digest} of {weight.name} is damaged: {error}") from None
    if lost := [path for path, file in wanted.items() if not store.has(file)]:
        raise UserError(f"layer {layer.digest} of {weight.name} lacks {', '.join(lost)}")


def _content(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> Iterator[bytes]:
    content = archive.extractfile(entry)
    while content is not None and (chunk := content.read(CHUNK_BYTES)):
        yield chunk


class _Stream:
    """File interface for tarfile over the chunks of a response."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and (chunk := next(self._chunks, b"")):
            self._rest += chunk
        result, self._rest = self._rest[:size], self._rest[size:]
        return result
