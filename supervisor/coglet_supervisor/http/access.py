"""Who may ask: a bearer token when there is one, and no foreign web page when bound to loopback."""

import hmac
import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from coglet_supervisor.http.request import TEXT, HttpError, Request

# What an orchestrator's probe asks, which has no token.
PROBES: Final = frozenset({b"/health-check", b"/livez", b"/readyz"})


@dataclass(frozen=True)
class Access:
    """The rules of one server.

    A server on loopback is in reach of every web page that its user visits: the browser sends what the page
    asks for, with the page's `Origin`, or with a `Host` that the page's own DNS points here. Both are refused
    unless `allowed_hosts` names them.
    """

    token: str | None
    is_loopback: bool
    allowed_hosts: frozenset[str]

    def check(self, request: Request) -> None:
        """Raises HttpError 401 or 403."""
        if self.is_loopback:
            self._check_host(request)
        if self.token is not None and request.path not in PROBES:
            self._check_token(request, self.token)

    def _check_host(self, request: Request) -> None:
        host = request.header(b"host")
        if host is not None and not self._is_ours(f"//{host}"):
            raise HttpError.text(403, f"Host {host!r} is not served here; see COG_ALLOWED_HOSTS")
        origin = request.header(b"origin")
        if origin is not None and not self._is_ours(origin):
            raise HttpError.text(403, f"Origin {origin!r} may not ask this server; see COG_ALLOWED_HOSTS")

    def _is_ours(self, url: str) -> bool:
        try:
            name = urlsplit(url).hostname
        except ValueError:
            return False
        return name is not None and (name in self.allowed_hosts or is_loopback(name))

    def _check_token(self, request: Request, token: str) -> None:
        scheme, _, given = (request.header(b"authorization") or "").partition(" ")
        # Bytes, because the comparison in constant time takes no other non-ASCII.
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
            return
        raise HttpError(401, b"A valid bearer token is required", TEXT, (b"www-authenticate", b"Bearer"))


def is_loopback(host: str) -> bool:
    """True for `localhost` and the addresses of the loopback network."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
