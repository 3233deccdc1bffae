"""The blueprint of the hosted API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from coglet_supervisor.http.request import HttpError
from coglet_supervisor.pages.hosted.files import add_file_routes
from coglet_supervisor.pages.hosted.machine_routes import add_machine_routes
from coglet_supervisor.pages.hosted.model_routes import add_model_routes
from coglet_supervisor.pages.hosted.parts import PREFIX, HostedParts
from coglet_supervisor.pages.hosted.prediction_routes import add_prediction_routes
from coglet_supervisor.pages.hosted.problems import not_found, problem
from coglet_supervisor.predictions.record import NotRecorded
from coglet_supervisor.records.store import NotReadable

if TYPE_CHECKING:
    from quart import Blueprint, Response

_METHODS: Final = ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT", "QUERY"]


def hosted_routes(parts: HostedParts) -> Blueprint:
    """Return the blueprint with all routes below /v1."""
    from quart import Blueprint, Response, request
    from werkzeug.exceptions import HTTPException

    routes = Blueprint("hosted", __name__, url_prefix=PREFIX)
    add_prediction_routes(routes, parts)
    add_model_routes(routes, parts)
    add_file_routes(routes, parts)
    add_machine_routes(routes, parts)

    @routes.route("", methods=_METHODS)
    @routes.route("/", methods=_METHODS)
    @routes.route("/<path:rest>", methods=_METHODS)
    async def other(rest: str = "") -> Response:
        raise not_found(f"This server does not offer {request.method} {PREFIX}/{rest[:200]}.")

    @routes.errorhandler(HttpError)
    async def explained(error: HttpError) -> Response:
        headers = {name.decode(): value.decode() for name, value in error.headers}
        return Response(error.body, error.status, headers)

    @routes.errorhandler(NotReadable)
    async def unreadable(error: NotReadable) -> Response:
        return await explained(problem(503, "Service unavailable", f"The records cannot be read: {error}"))

    @routes.errorhandler(NotRecorded)
    async def unwritten(error: NotRecorded) -> Response:
        return await explained(problem(507, "Insufficient storage", f"It was not recorded: {error}"))

    @routes.errorhandler(HTTPException)
    async def of_quart(error: Any) -> Response:
        return await explained(problem(error.code, error.name, error.description))

    return routes
