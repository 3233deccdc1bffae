"""Who gets `WEBHOOK_AUTH_TOKEN`. Clients name the receivers; the operator may say which of them get it."""

import fnmatch
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True)
class WebhookToken:
    """The token, and patterns of the hosts that get it. None of them: everybody does, as with the peer."""

    text: str = field(repr=False)
    hosts: tuple[str, ...] = ()

    def headers_for(self, url: str) -> dict[bytes, bytes]:
        """What a webhook to `url`, which must be valid, is sent along with."""
        host = urlsplit(url).hostname or ""
        if self.hosts and not any(fnmatch.fnmatchcase(host, pattern) for pattern in self.hosts):
            return {}
        return {b"authorization": b"Bearer " + self.text.encode("utf-8", "surrogateescape")}
