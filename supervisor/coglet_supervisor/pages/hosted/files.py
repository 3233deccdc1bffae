"""The routes of files, and files among the inputs of a prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from coglet_supervisor.kept_files import KeptFile
from coglet_supervisor.pages.hosted.parts import HostedParts, json_response
from coglet_supervisor.pages.hosted.problems import not_found
from coglet_supervisor.predictions.hosted_body import timestamp

if TYPE_CHECKING:
    from quart import Blueprint, Response

# Of a download; Quart reads 8 KiB at a time.
_PIECE_BYTES: Final = 256 * 1024


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
        response = Response(b"", 204)
        del response.headers["content-type"]
        return response

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
