"""What all routes of the hosted API share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from coglet_supervisor.http.public_url import PublicUrl
from coglet_supervisor.http.request import Message, Request, encode_json
from coglet_supervisor.kept_files import KeptFiles
from coglet_supervisor.pages.hosted.identity import Identity
from coglet_supervisor.pages.hosted.problems import not_found
from coglet_supervisor.pages.hosted.served_model import ServedModel
from coglet_supervisor.predictions.service import PredictionService
from coglet_supervisor.records.store import Store
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
    model: ServedModel
    signer: Signer | None
    max_body_bytes: int
    token: str | None
    is_open: bool

    @property
    def identity(self) -> Identity:
        """The identity of the model, which changes with a reload."""
        return self.model.identity

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


def json_response(body: object, status: int = 200) -> Response:
    """Return a response with a JSON body."""
    from quart import Response

    return Response(encode_json(body), status, content_type="application/json")


async def _no_body() -> Message:
    raise AssertionError("Quart reads the body")
