"""What all routes of the hosted API share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from coglet_supervisor.http.access import is_loopback
from coglet_supervisor.http.public_url import PublicUrl
from coglet_supervisor.http.request import Message, Request, encode_json
from coglet_supervisor.kept_files import KeptFiles
from coglet_supervisor.pages.hosted.identity import Identity, find_identity
from coglet_supervisor.pages.hosted.problems import not_found
from coglet_supervisor.predictions.service import PredictionService
from coglet_supervisor.records.store import Store
from coglet_supervisor.settings import Settings
from coglet_supervisor.webhooks.delivery import Webhooks
from coglet_supervisor.webhooks.signature import Signer

if TYPE_CHECKING:
    from quart import Response

PREFIX: Final = "/v1"


@dataclass(frozen=True, kw_only=True)
class HostedParts:
    """The parts of the server that the routes use.

    `signer` is that of the webhooks, `token` the one that clients need. Everyone can reach a server that
    `is_open`.
    """

    service: PredictionService
    store: Store
    webhooks: Webhooks
    files: KeptFiles
    public_url: PublicUrl
    identity: Identity
    signer: Signer | None
    max_body_bytes: int
    token: str | None
    is_open: bool

    def base_url(self) -> str:
        """Return the URL of the server, for the client of the current request."""
        from quart import request

        return self.public_url.base_of(Request(request.scope, _no_body))  # type: ignore[arg-type]

    def check_model(self, owner: str, name: str) -> None:
        """Raise HttpError 404 if this is not the model of the server."""
        if not self.identity.is_named(owner, name):
            raise not_found(f"This server serves {self.identity.model}, and not {owner}/{name}.")

    def check_version(self, version: str) -> None:
        """Raise HttpError 404 if this is not the version of the model."""
        if not self.identity.has_version(version):
            raise not_found(
                f"This server serves version {self.identity.version} of {self.identity.model}, and not "
                f"{version[:200]}."
            )


def make_parts(
    settings: Settings, service: PredictionService, store: Store, webhooks: Webhooks, files: KeptFiles
) -> HostedParts:
    """Return the parts for a server with these settings. Reads the source files of the model."""
    return HostedParts(
        service=service,
        store=store,
        webhooks=webhooks,
        files=files,
        public_url=PublicUrl.from_settings(settings),
        identity=find_identity(
            settings.project_dir, settings.predictor_ref, service.schema, settings.model_name
        ),
        signer=Signer.from_secret(settings.webhook_signing_secret),
        max_body_bytes=settings.max_body_bytes,
        token=settings.api_token,
        is_open=settings.api_token is None and not is_loopback(settings.host),
    )


def json_response(body: object, status: int = 200) -> Response:
    """Return a response with a JSON body."""
    from quart import Response

    return Response(encode_json(body), status, content_type="application/json")


async def _no_body() -> Message:
    raise AssertionError("Quart reads the body")
