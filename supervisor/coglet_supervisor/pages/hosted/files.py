"""The routes of files, and files among the inputs of a prediction."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from coglet_protocol.slot import InputFile
from coglet_supervisor.kept_files import KeptFile, KeptFiles
from coglet_supervisor.pages.hosted.parts import HostedParts, json_response
from coglet_supervisor.pages.hosted.problems import not_found
from coglet_supervisor.predictions.hosted_body import timestamp
from coglet_supervisor.predictions.untrusted_json import decode

if TYPE_CHECKING:
    from quart import Blueprint, Response

# With or without `/download`: clients send `urls.get` of the file. The host is not compared, because a server
# may have several names, and an id cannot be guessed.
_FILE_URL: Final = re.compile(
    r"https?://[^/?#]+/(?:[^?#]*/)?v1/files/([a-z2-7]{26})(?:/download)?(?:\?[^#]*)?"
)
# Of a download; Quart reads 8 KiB at a time.
_PIECE_BYTES: Final = 256 * 1024
# Some clients escape slashes.
_MARK: Final = re.compile(rb"v1\\?/files\\?/")


def add_file_routes(routes: Blueprint, parts: HostedParts) -> None:
    """Add the routes to show, list, download and delete files."""
    from quart import Response, send_file
    from quart.wrappers.response import FileBody

    files = parts.files

    def find(file_id: str) -> KeptFile:
        kept = files.get(file_id)
        if kept is None:
            raise not_found(f"There is no file {file_id!r}, or it has expired.")
        return kept

    @routes.get("/files")
    async def list_files() -> Response:
        results = [file_body(kept, parts.base_url()) for kept in files.list()]
        return json_response({"next": None, "previous": None, "results": results})

    @routes.get("/files/<file_id>")
    async def show_file(file_id: str) -> Response:
        return json_response(file_body(find(file_id), parts.base_url()))

    @routes.delete("/files/<file_id>")
    async def delete_file(file_id: str) -> Response:
        files.delete(find(file_id).id)
        return Response(b"", 204)

    @routes.get("/files/<file_id>/download")
    async def download(file_id: str) -> Response:
        kept = find(file_id)
        response = await send_file(
            kept.path,
            mimetype=kept.description.content_type,
            as_attachment=True,  # a browser must not run what a client has uploaded
            attachment_filename=kept.description.name,
        )
        response.headers["x-content-type-options"] = "nosniff"
        response.headers["cache-control"] = "private, no-store"
        response.headers.pop("expires", None)
        response.response = FileBody(kept.path, buffer_size=_PIECE_BYTES)
        return response


def file_body(kept: KeptFile, base_url: str) -> dict[str, Any]:
    """Return the body of one file."""
    url = f"{base_url}/v1/files/{kept.id}"
    return {
        "id": kept.id,
        "name": kept.description.name,
        "content_type": kept.description.content_type,
        "size": kept.size_bytes,
        "etag": kept.sha256,
        "checksums": {"sha256": kept.sha256, "md5": kept.md5},
        "metadata": kept.description.metadata,
        "created_at": timestamp(kept.created_at),
        "expires_at": timestamp(kept.expires_at),
        "urls": {"get": url, "download": f"{url}/download"},
    }


def files_in(input_json: msgspec.Raw, files: KeptFiles) -> tuple[InputFile, ...]:
    """Return the files of this server to which URLs in an input refer. Raises NotJson."""
    if _MARK.search(memoryview(input_json)) is None:
        return ()
    found: dict[str, InputFile] = {}
    unseen = [decode(input_json)]
    while unseen:
        value = unseen.pop()
        if isinstance(value, dict):
            unseen += value.values()
        elif isinstance(value, list):
            unseen += value
        elif isinstance(value, str) and (match := _FILE_URL.fullmatch(value)):
            kept = files.get(match[1])
            if kept is not None:
                found[value] = InputFile(url=value, path=str(kept.path), name=kept.description.name)
    return tuple(found.values())
