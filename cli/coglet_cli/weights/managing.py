"""What `cog weights import`, `pull` and `status` do."""

import json
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from coglet_cli.cache_folder import cache_folder
from coglet_cli.config import CogConfig, Weight
from coglet_cli.errors import UserError
from coglet_cli.local_model import LocalModel, load_local_model
from coglet_cli.terminal import Terminal
from coglet_cli.weights.lockfile import Lock, LockedLayer, LockedWeight, read_lock, require_lock, write_lock
from coglet_cli.weights.packing import EMPTY, StoredFile, digest_of, layer_content, manifest, packed
from coglet_cli.weights.registry import Repository
from coglet_cli.weights.sources import SourceFile, source_files
from coglet_cli.weights.store import CHUNK_BYTES, WeightStore

_REFERENCE_VARIABLES: Final = ("COG_MODEL", "COG_MODEL_REPO")
_UNITS: Final = ("B", "KB", "MB", "GB", "TB")
_STEP: Final = 1000


@dataclass(frozen=True)
class WeightsProject:
    """A folder with managed weights: what it asks for, and where they are kept."""

    folder: Path
    config: CogConfig
    repository: str
    store: WeightStore

    def chosen(self, names: Sequence[str]) -> list[Weight]:
        """The weights of these names, or all. Raises UserError."""
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
    """The project of the current folder. Raises UserError when it has no place for weights."""
    model = load_local_model(file, terminal)
    return WeightsProject(
        model.project.folder,
        model.config,
        weights_repository(model.config, os.environ),
        WeightStore(cache_folder(os.environ)),
    )


def weights_repository(config: CogConfig, environ: Mapping[str, str]) -> str:
    """`host/path` where the weights of a model are kept. Raises UserError."""
    from coglet_cli.building import model_reference

    if config.image:
        raise UserError(
            "weight commands require 'model' in cog.yaml, not 'image' — rename 'image' to 'model'"
        )
    if not config.model and not any(environ.get(name) for name in _REFERENCE_VARIABLES):
        raise UserError(
            "weight commands require a model ref: set 'model' in cog.yaml, "
            "or export COG_MODEL / COG_MODEL_REPO"
        )
    head, slash, last = model_reference(config.model, environ).rpartition("/")
    return f"{head}{slash}{last.partition('@')[0].partition(':')[0]}"


def import_weights(
    project: WeightsProject, names: Sequence[str], terminal: Terminal, *, dry_run: bool, verbose: bool
) -> None:
    """Reads the sources, sends them to the registry and writes weights.lock. Raises UserError."""
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
            terminal.success(_told(imported[weight.name], project.repository))
    kept = [imported.get(weight.name) or before.find(weight.name) for weight in project.config.weights]
    write_lock(project.folder, Lock(tuple(weight for weight in kept if weight)))
    terminal.success("weights.lock written")


def _list(files: Sequence[SourceFile], terminal: Terminal) -> None:
    for file in files:
        terminal.log(f"  {file.path}  {file.origin}")


def _told(weight: LockedWeight, repository: str) -> str:
    return (
        f"Imported {weight.name}: {len(weight.files)} file(s), {readable(weight.size)}, "
        f"as {repository}:{tag_of(weight)}"
    )


def tag_of(weight: LockedWeight) -> str:
    """The tag of a weight in its model's repository."""
    return f"cog-weight.{weight.name}.{weight.digest.removeprefix('sha256:')[:12]}"


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
    """Fetches what is missing here. Raises UserError."""
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
                # Written under its digest, never under a name that a registry gives.
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
    """Chunks of a response as the file that tarfile reads."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and (chunk := next(self._chunks, b"")):
            self._rest += chunk
        result, self._rest = self._rest[:size], self._rest[size:]
        return result


def readable(size: int) -> str:
    """`1.5 GB`"""
    number, unit = float(size), 0
    while number >= _STEP and unit < len(_UNITS) - 1:
        number, unit = number / _STEP, unit + 1
    return f"{size} B" if unit == 0 else f"{number:.1f} {_UNITS[unit]}"


def weights_manifest(model: LocalModel) -> bytes:
    """What a model's image says of its weights. Raises UserError when weights.lock does not fit."""
    lock = require_lock(model.config, model.project.folder)
    entries = [
        {"name": weight.name, "target": weight.target, "digest": weight.digest, "size": weight.size}
        for weight in lock.weights
    ]
    return json.dumps({"weights": entries}, separators=(",", ":")).encode()


def mounts(model: LocalModel) -> dict[str, Path]:
    """What is mounted where in a container of the model. Raises UserError when weights are not here."""
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
