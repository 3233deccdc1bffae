"""The routes of predictions and trainings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from coglet_supervisor.http.events import EVENT_STREAM
from coglet_supervisor.pages.hosted.creation import (
    Creation,
    IdempotencyKey,
    check_key,
    deadline_s,
    read_creation,
    wait_limit_s,
)
from coglet_supervisor.pages.hosted.parts import HostedParts, json_response
from coglet_supervisor.pages.hosted.predictions import CreationOptions, HostedPredictions
from coglet_supervisor.pages.hosted.problems import invalid_request, not_found
from coglet_supervisor.predictions.prediction import Kind

if TYPE_CHECKING:
    from quart import Blueprint, Response

_TRACE_HEADERS: Final = ("traceparent", "tracestate")


def add_prediction_routes(routes: Blueprint, parts: HostedParts) -> None:
    """Add the routes to create, show, list and cancel predictions and trainings."""
    from quart import Response, request

    predictions = HostedPredictions(parts)

    async def create(kind: Kind, creation: Creation) -> Response:
        body, status = await predictions.create(kind, creation, await _options(kind))
        return json_response(body, status)

    @routes.post("/predictions")
    async def create_with_version() -> Response:
        creation = read_creation(await _body())
        if creation.version is None:
            raise invalid_request("version: is required; it is the id of the model's version, or owner/name")
        parts.check_version(creation.version)
        return await create("prediction", creation)

    @routes.post("/models/<owner>/<name>/predictions")
    @routes.post("/deployments/<owner>/<name>/predictions")
    async def create_of_model(owner: str, name: str) -> Response:
        parts.check_model(owner, name)
        return await create("prediction", read_creation(await _body()))

    @routes.post("/models/<owner>/<name>/versions/<version>/trainings")
    async def train(owner: str, name: str, version: str) -> Response:
        parts.check_model(owner, name)
        parts.check_version(version)
        if not parts.service.validation.offers_training:
            raise not_found(f"The model {parts.identity.model} has no training.")
        return await create("training", read_creation(await _body()))

    @routes.get("/predictions/<prediction_id>/stream")
    async def stream(prediction_id: str) -> Response:
        events = await predictions.stream(prediction_id, request.headers.get("last-event-id"))
        headers = {name.decode(): value.decode() for name, value in EVENT_STREAM}
        return Response(b"" if request.method == "HEAD" else events, headers=headers)

    for kind in ("prediction", "training"):
        _add_record_routes(routes, predictions, kind)


def _add_record_routes(routes: Blueprint, predictions: HostedPredictions, kind: Kind) -> None:
    from quart import request

    async def show(prediction_id: str) -> Response:
        return json_response(predictions.body(await predictions.find(kind, prediction_id)))

    async def cancel(prediction_id: str) -> Response:
        return json_response(predictions.body(await predictions.cancel(kind, prediction_id)))

    async def list_all() -> Response:
        return json_response(await predictions.list(kind, request.args.get("cursor")))

    routes.add_url_rule(f"/{kind}s", f"list_{kind}s", list_all)
    routes.add_url_rule(f"/{kind}s/<prediction_id>", f"show_{kind}", show)
    routes.add_url_rule(f"/{kind}s/<prediction_id>/cancel", f"cancel_{kind}", cancel, methods=["POST"])


async def _body() -> bytes:
    from quart import request

    body = await request.get_data()
    assert isinstance(body, bytes)
    return body


async def _options(kind: Kind) -> CreationOptions:
    """Return what the headers of the current request say. Raises HttpError 422."""
    from quart import request

    headers = request.headers
    key = headers.get("idempotency-key")
    if key is not None:
        check_key(key)
    return CreationOptions(
        key=None if key is None else IdempotencyKey(key, f"{kind} {request.path}", await _body()),
        wait_s=wait_limit_s(headers.get("prefer")),
        lasts_s=deadline_s(headers.get("cancel-after")),
        trace={name: headers[name] for name in _TRACE_HEADERS if name in headers},
    )
