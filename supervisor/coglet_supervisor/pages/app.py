"""The Quart application: discovery, documentation and shutdown."""

import asyncio
import logging
import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from coglet_supervisor.http.counted import ROUTE
from coglet_supervisor.http.request import Receive, Scope, Send
from coglet_supervisor.pages.docs_page import docs_routes
from coglet_supervisor.pages.hosted.api import hosted_routes
from coglet_supervisor.pages.hosted.parts import HostedParts, json_response
from coglet_supervisor.pages.metrics import PATH as METRICS
from coglet_supervisor.pages.metrics import MetricsRoute
from coglet_supervisor.pages.ui.report import ServerView
from coglet_supervisor.predictions.service import PredictionService
from coglet_supervisor.versions import versions

if TYPE_CHECKING:
    from quart import Quart


log = logging.getLogger(__name__)

# `<id>` or `<path:rest>` in a rule of werkzeug.
_PARAMETER: Final = re.compile(r"<(?:[^<>:]+:)?([^<>]+)>")


class LazyPages:
    """Builds the Quart application at its first request.

    Importing Quart takes 0.2 s, which a server that only predicts does not need. `hosted` returns the
    parts of the hosted API, in a thread. `metrics` is the route that needs no Quart, if this port has it.
    `view` is what the page at /ui shows; None if there is no page.
    """

    def __init__(
        self,
        service: PredictionService,
        shut_down: Callable[[], None],
        hosted: Callable[[], HostedParts],
        metrics: MetricsRoute | None = None,
        view: ServerView | None = None,
    ) -> None:
        self._service = service
        self._shut_down = shut_down
        self._hosted = hosted
        self._metrics = metrics
        self._view = view
        self._app: Quart | None = None
        self._lock = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._metrics is not None and scope["raw_path"] == METRICS:
            await self._metrics(scope, receive, send)
            return
        if self._app is None:
            await asyncio.to_thread(self._build_once)
        assert self._app is not None
        await self._app(scope, receive, send)  # type: ignore[arg-type]

    def _build_once(self) -> None:
        with self._lock:
            if self._app is None:
                self._app = build_pages(self._service, self._shut_down, self._hosted(), self._view)


def build_pages(
    service: PredictionService, shut_down: Callable[[], None], hosted: HostedParts, view: ServerView | None
) -> "Quart":
    """Build the Quart application; `shut_down` is called for POST /shutdown."""
    from quart import Quart, Response, request
    from werkzeug.exceptions import HTTPException, MethodNotAllowed

    from coglet_supervisor.pages.hosted.uploads import Uploads

    app = Quart("coglet_supervisor", static_folder=None)
    app.url_map.merge_slashes = False
    app.config["MAX_CONTENT_LENGTH"] = hosted.max_body_bytes
    app.config["RESPONSE_TIMEOUT"] = None  # the connection has a limit, COG_SEND_TIMEOUT
    _register(app, service, hosted, view)
    uploads: Any = Uploads(app.asgi_app, hosted.files, hosted.public_url)  # type: ignore[arg-type]
    app.asgi_app = uploads  # type: ignore[method-assign]

    @app.get("/")
    async def discovery() -> Response:
        return json_response(discovery_body(offers_training=service.validation.offers_training))

    @app.get("/openapi.json")
    async def openapi() -> Response:
        if service.schema is None:
            return json_response({"error": "OpenAPI schema not available"}, 503)
        return json_response(service.schema)

    @app.post("/shutdown")
    async def shutdown() -> Response:
        log.info("Shutdown requested via HTTP")
        shut_down()
        return json_response({})

    @app.after_request
    async def name_route(response: Any) -> Any:
        if request.url_rule is not None:
            scope: Any = request.scope
            scope[ROUTE] = _PARAMETER.sub(r"{\1}", request.url_rule.rule)
        return response

    @app.errorhandler(HTTPException)
    async def empty_error(error: Any) -> Response:
        response = Response(b"", error.code)
        del response.headers["content-type"]
        if isinstance(error, MethodNotAllowed):
            methods = sorted(set(error.valid_methods or ()) - {"OPTIONS"})
            response.headers["allow"] = ",".join(methods)
        return response

    return app


def _register(app: "Quart", service: PredictionService, hosted: HostedParts, view: ServerView | None) -> None:
    app.register_blueprint(docs_routes())
    app.register_blueprint(hosted_routes(hosted))
    if view is not None:
        # Imported here because the server should start quickly.
        from coglet_supervisor.pages.ui.live import LiveEvents
        from coglet_supervisor.pages.ui.routes import ui_routes

        app.register_blueprint(ui_routes(LiveEvents(service, hosted.store, view)))


def discovery_body(*, offers_training: bool) -> dict[str, str]:
    """Return the body of GET /: the paths of all routes."""
    body = {
        "cog_version": versions().coglet,
        "docs_url": "/docs",
        "healthcheck_url": "/health-check",
        "openapi_url": "/openapi.json",
        "predictions_cancel_url": "/predictions/{prediction_id}/cancel",
        "predictions_idempotent_url": "/predictions/{prediction_id}",
        "predictions_url": "/predictions",
        "shutdown_url": "/shutdown",
    }
    if offers_training:
        body |= {
            "trainings_cancel_url": "/trainings/{training_id}/cancel",
            "trainings_idempotent_url": "/trainings/{training_id}",
            "trainings_url": "/trainings",
        }
    return body
