"""The routes of the page, below /ui."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from coglet_supervisor.http.events import EVENT_STREAM
from coglet_supervisor.http.request import encode_json
from coglet_supervisor.pages.ui.files import CONTENT_SECURITY_POLICY, INDEX, page_files
from coglet_supervisor.pages.ui.live import LiveEvents, TooManyReaders
from coglet_supervisor.versions import versions

if TYPE_CHECKING:
    from quart import Blueprint, Response

_HEADERS: Final = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
_EVENT_HEADERS: Final = {name.decode(): value.decode() for name, value in EVENT_STREAM}


def ui_routes(live: LiveEvents) -> Blueprint:
    """Return the blueprint of the page, its files and its events."""
    from quart import Blueprint, Response, request
    from werkzeug.exceptions import NotFound

    routes = Blueprint("ui", __name__, url_prefix="/ui")

    @routes.get("")
    async def without_slash() -> Response:
        # Relative, so that the page also works under a path prefix.
        return Response(b"", 308, headers={"location": "ui/"})

    @routes.get("/")
    async def index() -> Response:
        return await file(INDEX)

    @routes.get("/config")
    async def config() -> Response:
        body = encode_json({"target": None, "cogVersion": versions().coglet, "hasRecords": live.has_records})
        return Response(body, headers=_HEADERS, content_type="application/json")

    @routes.get("/<name>")
    async def file(name: str) -> Response:
        found = page_files().get(name)
        if found is None:
            raise NotFound
        return Response(found.content, headers=_HEADERS, content_type=found.content_type)

    @routes.get("/data/events")
    async def events() -> Response:
        return respond(live.changes())

    @routes.get("/data/progress")
    async def progress() -> Response:
        return respond(live.progress(request.args.get("id", "")))

    def respond(chunks: AsyncIterator[bytes]) -> Response:
        try:
            live.check_room()
        except TooManyReaders:
            return Response(b"too many pages are open", 429, content_type="text/plain; charset=utf-8")
        response = Response(chunks, headers=_EVENT_HEADERS)
        response.timeout = None
        return response

    return routes
