"""Sources of a weight's files: this machine, or an HTTP server."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx

from coglet_cli.config import Weight, WeightSource
from coglet_cli.engine.ignore import IgnoreRules
from coglet_cli.errors import UserError
from coglet_cli.weights.store import CHUNK_BYTES, read_chunks

_TIMEOUT: Final = httpx.Timeout(60.0)


@dataclass(frozen=True)
class SourceFile:
    """A file of a source, with its path relative to the target and its origin for messages."""

    path: str
    origin: str
    read: Callable[[], Iterable[bytes]]


def source_files(weight: Weight, folder: Path) -> list[SourceFile]:
    """Return a weight's files, sorted by path. Raises UserError if a source cannot be read or is empty."""
    files: dict[str, SourceFile] = {}
    for source in weight.sources:
        wanted = [file for file in _offered(weight.name, source, folder) if _is_wanted(file.path, source)]
        if not wanted:
            raise UserError(f'weight "{weight.name}": include and exclude select no file from {source.uri}')
        for file in wanted:
            if file.path in files:
                raise UserError(f'weight "{weight.name}": two sources have the file {file.path}')
            files[file.path] = file
    return [files[path] for path in sorted(files)]


def _is_wanted(path: str, source: WeightSource) -> bool:
    return (not source.include or _matches(source.include, path)) and not _matches(source.exclude, path)


def _matches(patterns: Iterable[str], path: str) -> bool:
    # A pattern without a slash matches file names in any folder.
    anywhere = [pattern if "/" in pattern else f"**/{pattern}" for pattern in patterns]
    return IgnoreRules(anywhere).excludes(path)


def _offered(name: str, source: WeightSource, folder: Path) -> Iterator[SourceFile]:
    parts = urlsplit(source.uri)
    if parts.scheme in ("http", "https"):
        yield _remote_file(name, source.uri)
    elif parts.scheme in ("", "file"):
        yield from _local_files(name, source.uri, folder)
    else:
        raise UserError(
            f'weight "{name}": sources such as {source.uri} are not supported yet',
            hint="download the files and use their folder: `uri: file:./weights`",
        )


def _local_files(name: str, uri: str, folder: Path) -> Iterator[SourceFile]:
    place = folder / unquote(uri.removeprefix("file:").removeprefix("//") or ".")
    if place.is_file():
        yield SourceFile(place.name, str(place), partial(read_chunks, place))
        return
    if not place.is_dir():
        raise UserError(f'weight "{name}": {uri} not found at {place}')
    for parent, folders, names in os.walk(place):
        folders.sort()
        for file_name in sorted(names):
            file = Path(parent, file_name)
            yield SourceFile(file.relative_to(place).as_posix(), str(file), partial(read_chunks, file))


def _remote_file(name: str, url: str) -> SourceFile:
    path = PurePosixPath(unquote(urlsplit(url).path)).name
    if not path:
        raise UserError(f'weight "{name}": the URL {url} does not end with a file name')
    return SourceFile(path, url, partial(_download, name, url))


def _download(name: str, url: str) -> Iterator[bytes]:
    try:
        with httpx.stream("GET", url, follow_redirects=True, timeout=_TIMEOUT) as answer:
            if answer.status_code != httpx.codes.OK:
                raise UserError(f'weight "{name}": {url} responded with status {answer.status_code}')
            yield from answer.iter_bytes(CHUNK_BYTES)
    except httpx.HTTPError as error:
        raise UserError(f'weight "{name}": failed to download {url}: {error}') from None
