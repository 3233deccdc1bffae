"""The routes that describe the model and its version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coglet_supervisor.pages.hosted.parts import HostedParts, json_response
from coglet_supervisor.predictions.hosted_body import timestamp
from coglet_supervisor.versions import versions

if TYPE_CHECKING:
    from quart import Blueprint, Response


def add_model_routes(routes: Blueprint, parts: HostedParts) -> None:
    """Add the routes of the model, its only version, and lists of both."""

    @routes.get("/models")
    async def models() -> Response:
        return json_response(_page(_model_body(parts)))

    @routes.get("/models/<owner>/<name>")
    async def model(owner: str, name: str) -> Response:
        parts.check_model(owner, name)
        return json_response(_model_body(parts))

    @routes.get("/models/<owner>/<name>/versions")
    async def model_versions(owner: str, name: str) -> Response:
        parts.check_model(owner, name)
        return json_response(_page(_version_body(parts)))

    @routes.get("/models/<owner>/<name>/versions/<version>")
    async def model_version(owner: str, name: str, version: str) -> Response:
        parts.check_model(owner, name)
        parts.check_version(version)
        return json_response(_version_body(parts))


def _page(result: dict[str, object]) -> dict[str, object]:
    return {"next": None, "previous": None, "results": [result]}


def _model_body(parts: HostedParts) -> dict[str, object]:
    identity = parts.identity
    return {
        "url": f"{parts.base_url()}/v1/models/{identity.model}",
        "owner": identity.owner,
        "name": identity.name,
        "description": identity.description,
        "visibility": "private",
        "github_url": None,
        "paper_url": None,
        "license_url": None,
        "run_count": parts.service.ended_count,
        "cover_image_url": None,
        "default_example": None,
        "latest_version": _version_body(parts),
    }


def _version_body(parts: HostedParts) -> dict[str, object]:
    return {
        "id": parts.identity.version,
        "created_at": timestamp(parts.identity.created_at),
        "cog_version": versions().coglet,
        "openapi_schema": parts.service.schema or {},
    }
