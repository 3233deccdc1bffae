"""The absolute URLs of this server in its responses."""

import ipaddress
import re
from typing import Final, Self
from urllib.parse import quote

from coglet_supervisor.http.request import Request
from coglet_supervisor.settings import Network, Settings

_HOST: Final = re.compile(r"[A-Za-z0-9.:_\[\]-]{1,255}")
_PREFIX: Final = re.compile(r"(?:/[A-Za-z0-9._~-]{1,100}){0,10}")


class PublicUrl:
    """Makes URLs that clients can use: below `base` (`COG_PUBLIC_URL`), else below the request's `Host`.

    Requests from `proxies` say in `X-Forwarded-Proto`, `-Host` and `-Prefix` what the client has asked for.
    """

    def __init__(self, base: str | None, proxies: tuple[Network, ...] = ()) -> None:
        self._base = base
        self._proxies = proxies

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return what the settings ask for."""
        return cls(settings.public_url, settings.trusted_proxies)

    def of(self, request: Request, *segments: str, query: str = "") -> str:
        """Return the URL of a path, whose segments are percent-encoded."""
        path = "".join(f"/{quote(segment, safe='')}" for segment in segments)
        return f"{self.base_of(request)}{path}{'?' if query else ''}{query}"

    def base_of(self, request: Request) -> str:
        """Return the URL of the server, without a slash at its end."""
        if self._base is not None:
            return self._base
        host, scheme, prefix = request.header(b"host") or "", request.scheme, ""
        if self._proxies and self._is_proxy(request.client_address):
            host = _first(request, b"x-forwarded-host") or host
            scheme = "https" if _first(request, b"x-forwarded-proto").lower() == "https" else "http"
            prefix = _first(request, b"x-forwarded-prefix").rstrip("/")
        if not (_HOST.fullmatch(host) and _PREFIX.fullmatch(prefix)):
            return ""
        return f"{scheme}://{host}{prefix}"

    def _is_proxy(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
        return any((mapped or parsed) in network for network in self._proxies)


def _first(request: Request, name: bytes) -> str:
    """Return the value that the first of several proxies has added."""
    return (request.header(name) or "").partition(",")[0].strip()
