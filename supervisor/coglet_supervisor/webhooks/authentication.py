"""How receivers recognize the webhooks of this server."""

from dataclasses import dataclass
from typing import Final, Self

from coglet_supervisor.settings import Settings
from coglet_supervisor.webhooks.signature import Signer
from coglet_supervisor.webhooks.token import WebhookToken


@dataclass(frozen=True)
class Authentication:
    """`token` is sent to the receivers that it allows; `signer` signs each attempt to all receivers."""

    token: WebhookToken | None = None
    signer: Signer | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return what the settings ask for. Raises StartupError if the secret is unusable."""
        return cls(WebhookToken.from_settings(settings), Signer.from_secret(settings.webhook_signing_secret))


NO_AUTHENTICATION: Final = Authentication()
