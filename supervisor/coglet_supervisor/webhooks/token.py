"""The bearer token of webhooks. Clients name the receivers; the operator may limit which of them get it."""

import fnmatch
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True)
class WebhookToken:
    """WEBHOOK_AUTH_TOKEN, and patterns of the hosts that get it; without patterns, all, as with the peer."""

    text: str = field(repr=False)
    hosts: tuple[str, ...] = ()

    def headers_for(self, url: str) -> dict[bytes, bytes]:
        """Return the headers for a webhook to `url`, which must be valid."""
        host = urlsplit(url).hostname or ""
        if self.hosts and not any(fnmatch.fnmatchcase(host, pattern) for pattern in self.hosts):
            return {}
        return {b"authorization": b"Bearer " + self.text.encode("utf-8", "surrogateescape")}
