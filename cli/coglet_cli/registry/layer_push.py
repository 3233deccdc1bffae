"""COG_PUSH_OCI=1: pushes layers in parallel and in chunks, without the Docker daemon."""

import gzip
import hashlib
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import httpx
from docker.utils import parse_repository_tag

from coglet_cli.engine.client import Engine
from coglet_cli.errors import UserError
from coglet_cli.registry.media_types import DOCKER_CONFIG_TYPE, DOCKER_LAYER_TYPE, DOCKER_MANIFEST_TYPE
from coglet_cli.registry.repository import RegistryError, Repository
from coglet_cli.terminal import Terminal

SWITCH: Final = "COG_PUSH_OCI"
_MIB: Final = 1024 * 1024
_READ_BYTES: Final = _MIB
# zlib's fastest level: better compression usually takes longer than it saves on the network.
_LEVEL: Final = 1


@dataclass(frozen=True)
class PushSettings:
    """How many layers to push at once, the size of a chunk, and from which size on to use chunks."""

    concurrency: int = 5
    chunk_bytes: int = 96 * _MIB
    multipart_from_bytes: int = 128 * _MIB

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "PushSettings":
        """Return the settings in COG_PUSH_* variables. Raises UserError if one is not a number above 0."""
        return cls(
            _number(environ, "COG_PUSH_CONCURRENCY", cls.concurrency),
            _number(environ, "COG_PUSH_DEFAULT_CHUNK_SIZE", cls.chunk_bytes),
            _number(environ, "COG_PUSH_MULTIPART_THRESHOLD", cls.multipart_from_bytes),
        )


class ChunkedRepository(Repository):
    """A repository that uploads large blobs in chunks: distribution-spec 1.1, "Pushing a blob in chunks"."""

    def __init__(self, name: str, settings: PushSettings) -> None:
        super().__init__(name)
        self._settings = settings

    def upload_file(self, digest: str, file: Path) -> None:
        """Upload a file unless the registry already has it. Raises RegistryError."""
        size = file.stat().st_size
        with file.open("rb") as content:
            if size < self._settings.multipart_from_bytes:
                self.upload(digest, size, _pieces(content, _READ_BYTES))
            elif not self.has_blob(digest):
                self._upload_in_chunks(digest, content)

    def _upload_in_chunks(self, digest: str, content: IO[bytes]) -> None:
        answer = self._ask("POST", "blobs/uploads/", (202,))
        start = 0
        for piece in _pieces(content, self._settings.chunk_bytes):
            headers = {
                "Content-Type": "application/octet-stream",
                "Content-Range": f"{start}-{start + len(piece) - 1}",
            }
            try:
                answer = self._client.patch(answer.headers["Location"], content=piece, headers=headers)
            except httpx.HTTPError as error:
                raise RegistryError(self.name, str(error)) from None
            self._check(answer, (202,))
            start += len(piece)
        self._put(httpx.URL(answer.headers["Location"]).copy_merge_params({"digest": digest}), b"", {})


def push_layers(engine: Engine, name: str, settings: PushSettings, terminal: Terminal) -> str:
    """Push an image of the engine to its registry and return its digest there.

    Raises UserError if the registry fails, OSError if the export does.
    """
    repository, tag = parse_repository_tag(name)
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "saved.tar"
        terminal.info("Exporting image from Docker daemon...")
        engine.save(name, saved)
        terminal.info("Pushing layers...")
        with ChunkedRepository(repository, settings) as target:
            return _push_saved(saved, target, tag or "latest", settings)


def _push_saved(saved: Path, repository: ChunkedRepository, tag: str, settings: PushSettings) -> str:
    folder = saved.parent
    with tarfile.open(saved) as archive:
        archive.extractall(folder / "image", filter="data")
    [manifest] = json.loads((folder / "image" / "manifest.json").read_bytes())
    config = folder / "image" / manifest["Config"]
    # Layers with the same content are links to one file.
    layers = [(folder / "image" / name).resolve() for name in manifest["Layers"]]
    # Before the layers, so that the parallel uploads share one login.
    entry = _send(repository, config, DOCKER_CONFIG_TYPE)
    once = list(dict.fromkeys(layers))
    with ThreadPoolExecutor(settings.concurrency) as pool:
        sent = dict(zip(once, pool.map(lambda layer: _send_layer(repository, layer), once), strict=True))
    content = {"config": entry, "layers": [sent[layer] for layer in layers]}
    data = json.dumps(
        {"schemaVersion": 2, "mediaType": DOCKER_MANIFEST_TYPE, **content}, separators=(",", ":")
    ).encode()
    repository.put_manifest(tag, data, DOCKER_MANIFEST_TYPE)
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _send(repository: ChunkedRepository, file: Path, media_type: str) -> dict[str, Any]:
    with file.open("rb") as content:
        digest = f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"
    repository.upload_file(digest, file)
    return {"mediaType": media_type, "size": file.stat().st_size, "digest": digest}


def _send_layer(repository: ChunkedRepository, layer: Path) -> dict[str, Any]:
    packed = _packed(layer)
    layer.unlink()
    return _send(repository, packed, DOCKER_LAYER_TYPE)


def _packed(layer: Path) -> Path:
    """Compress a layer; the same layer yields the same bytes, so that it is uploaded only once."""
    target = layer.with_name(f"{layer.name}.gz")
    with layer.open("rb") as content, target.open("wb") as out:
        with gzip.GzipFile("", "wb", _LEVEL, out, mtime=0) as packed:
            shutil.copyfileobj(content, packed, _READ_BYTES)
    return target


def _pieces(content: IO[bytes], size: int) -> Iterator[bytes]:
    while piece := content.read(size):
        yield piece


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name)
    if not text:
        return default
    if not text.isdecimal() or int(text) == 0:
        raise UserError(f"invalid {name} {text!r}: must be a whole number above 0")
    return int(text)
