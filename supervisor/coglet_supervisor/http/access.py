"""Access control: the bearer token; Host and Origin checks against DNS rebinding on loopback."""

import hmac
import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from coglet_supervisor.http.request import JSON, TEXT, HttpError, Request, encode_json
from coglet_supervisor.signed_urls import is_signed

# Paths that need no token, because probes of an orchestrator have none.
PROBES: Final = frozenset({b"/health-check", b"/livez", b"/readyz"})

# The hosted API, whose clients also send `Authorization: Token ...`, and read problem bodies.
HOSTED: Final = b"/v1"


@dataclass(frozen=True)
class Access:
    """The access rules of one server.

    Any web page that the user visits can send requests to a server on loopback, through the browser: with the
    page's `Origin`, or with a `Host` that the page's own DNS resolves to loopback (DNS rebinding). Both are
    rejected unless `allowed_hosts` contains them.

    `open_paths` need no token, besides the probes.
    """

    token: str | None
    is_loopback: bool
    allowed_hosts: frozenset[str]
    open_paths: frozenset[bytes] = frozenset()

    def check(self, request: Request) -> None:
        """Check the token and, on loopback, Host and Origin.

        Raises HttpError 401 or 403 if they are not allowed.
        """
        if self.is_loopback:
            self._check_host(request)
        if self.token is None or request.path in PROBES or request.path in self.open_paths:
            return
        self._check_token(request, self.token)

    def _check_host(self, request: Request) -> None:
        host = request.header(b"host")
        if host is not None and not self._is_ours(f"//{host}"):
            raise HttpError.text(403, f"Host {host!r} is not allowed; add it to COG_ALLOWED_HOSTS")
        origin = request.header(b"origin")
        if origin is not None and not self._is_ours(origin):
            raise HttpError.text(403, f"Origin {origin!r} is not allowed; add its host to COG_ALLOWED_HOSTS")

    def _is_ours(self, url: str) -> bool:
        try:
            name = urlsplit(url).hostname
        except ValueError:
            return False
        return name is not None and (name in self.allowed_hosts or is_loopback(name))

    def _check_token(self, request: Request, token: str) -> None:
        scheme, _, given = (request.header(b"authorization") or "").partition(" ")
        is_hosted = request.path == HOSTED or request.path.startswith(HOSTED + b"/")
        schemes = ("bearer", "token") if is_hosted else ("bearer",)
        # Bytes, because compare_digest does not accept non-ASCII str.
        if scheme.lower() in schemes and hmac.compare_digest(given.strip().encode(), token.encode()):
            return
        if is_hosted:
            if request.method in ("GET", "HEAD") and is_signed(request.path, request.query, token):
                return
            body = {"title": "Unauthenticated", "detail": "A valid API token is required.", "status": 401}
            raise HttpError(401, encode_json(body), JSON, (b"www-authenticate", b"Bearer"))
        raise HttpError(401, b"A valid bearer token is required", TEXT, (b"www-authenticate", b"Bearer"))


def is_loopback(host: str) -> bool:
    """True if `host` is `localhost` or a loopback address, with or without brackets."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
