"""Reproducible images: limits all times in an image, so that the same source yields the same image.

Only BuildKit of newer engines can do this; rewriting the output of `docker save` works with any engine.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

_MANIFEST: Final = "manifest.json"
_TIMES: Final = ("mtime", "atime", "ctime")
# Ids and names of the containers in which the classic builder ran the steps.
_TRACES: Final = ("container", "container_config")
_CHUNK_BYTES: Final = 1024 * 1024


@dataclass(frozen=True)
class Dating:
    """The latest time, `epoch_s` (Unix time), and how many layers, those of the base image, to keep as is."""

    epoch_s: int
    kept_layers: int


def redate(saved: Path, target: IO[bytes], dating: Dating, folder: Path) -> None:
    """Rewrite an archive of `docker save` for `docker load`; `folder` is for temporary files."""
    with tarfile.open(saved) as archive, tarfile.open(fileobj=target, mode="w") as out:
        [manifest] = json.loads(_read(archive, _MANIFEST))
        config = json.loads(_read(archive, manifest["Config"]))
        layers = []
        for index, name in enumerate(manifest["Layers"]):
            draft = folder / "layer.tar"
            _write_layer(archive, name, draft, dating.epoch_s if index >= dating.kept_layers else None)
            digest = _sha256(draft)
            config["rootfs"]["diff_ids"][index] = f"sha256:{digest}"
            layers.append(f"{digest}.tar")
            out.add(draft, layers[-1])
        text = json.dumps(_redated(config, dating.epoch_s), separators=(",", ":")).encode()
        name = f"{hashlib.sha256(text).hexdigest()}.json"
        _add(out, name, text)
        _add(out, _MANIFEST, json.dumps([{**manifest, "Config": name, "Layers": layers}]).encode())


def _write_layer(archive: tarfile.TarFile, name: str, draft: Path, epoch_s: int | None) -> None:
    content = archive.extractfile(name)
    assert content is not None, name
    with content, draft.open("wb") as out:
        if epoch_s is None:
            while chunk := content.read(_CHUNK_BYTES):
                out.write(chunk)
            return
        with tarfile.open(fileobj=content) as old, tarfile.open(fileobj=out, mode="w") as new:
            _copy_members(old, new, epoch_s)


def _copy_members(old: tarfile.TarFile, new: tarfile.TarFile, epoch_s: int) -> None:
    for member in old:
        member.mtime = min(int(member.mtime), epoch_s)
        member.pax_headers = {key: text for key, text in member.pax_headers.items() if key not in _TIMES}
        new.addfile(member, old.extractfile(member) if member.isreg() else None)


def _redated(config: dict[str, Any], epoch_s: int) -> dict[str, Any]:
    latest = datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    steps: Iterable[dict[str, Any]] = config.get("history") or ()
    for entry in (config, *steps):
        # All have the same form down to seconds, in which text sorts as the times do.
        if entry.get("created", "")[: len(latest) - 1] >= latest[:-1]:
            entry["created"] = latest
    return {key: value for key, value in config.items() if key not in _TRACES}


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    content = archive.extractfile(name)
    assert content is not None, name
    with content:
        return content.read()


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))
