"""The absolute URLs of this server in its responses."""

import re
from typing import Final
from urllib.parse import quote

from coglet_supervisor.http.request import Request

_HOST: Final = re.compile(r"[A-Za-z0-9.:_\[\]-]{1,255}")


class PublicUrl:
    """Makes URLs that clients can use: below `base` (`COG_PUBLIC_URL`), else below the request's `Host`."""

    def __init__(self, base: str | None) -> None:
        self._base = base

    def of(self, request: Request, *segments: str, query: str = "") -> str:
        """Return the URL of a path, whose segments are percent-encoded."""
        path = "".join(f"/{quote(segment, safe='')}" for segment in segments)
        return f"{self.base_of(request)}{path}{'?' if query else ''}{query}"

    def base_of(self, request: Request) -> str:
        """Return the URL of the server, without a slash at its end."""
        if self._base is not None:
            return self._base
        host = request.header(b"host") or ""
        return f"http://{host}" if _HOST.fullmatch(host) else ""
