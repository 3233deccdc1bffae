"""The bearer token of webhooks. Clients name the receivers; the operator may limit which of them get it."""

import fnmatch
import logging
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from coglet_supervisor.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WebhookToken:
    """WEBHOOK_AUTH_TOKEN, and patterns of the hosts that get it; without patterns, all, as with the peer."""

    text: str = field(repr=False)
    hosts: tuple[str, ...] = ()

    @classmethod
    def from_settings(cls, settings: Settings) -> "WebhookToken | None":
        """Return the token of the settings, or None. Warns if every receiver gets it."""
        if settings.webhook_auth_token is None:
            return None
        if not settings.webhook_auth_hosts:
            log.warning(
                "WEBHOOK_AUTH_TOKEN is sent to every receiver that a client names; "
                "list the allowed ones in WEBHOOK_AUTH_HOSTS"
            )
        return cls(settings.webhook_auth_token, settings.webhook_auth_hosts)

    def headers_for(self, url: str) -> dict[bytes, bytes]:
        """Return the headers for a webhook to `url`, which must be valid."""
        host = urlsplit(url).hostname or ""
        if self.hosts and not any(fnmatch.fnmatchcase(host, pattern) for pattern in self.hosts):
            return {}
        return {b"authorization": b"Bearer " + self.text.encode("utf-8", "surrogateescape")}
