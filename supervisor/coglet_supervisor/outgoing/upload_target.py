"""The server to which output files are uploaded."""

from urllib.parse import urlsplit

from coglet_protocol.url_guard import UrlGuard
from coglet_supervisor.errors import StartupError
from coglet_supervisor.outgoing.client import UnusableUrl, check_url


def check_upload_url(url: str | None) -> None:
    """Raise StartupError if files cannot be uploaded to `url`."""
    if url is None:
        return
    try:
        check_url(url)
    except UnusableUrl as error:
        raise StartupError(f"cannot upload output files: {error}; correct --upload-url") from None


def guard_of_uploads(guard: UrlGuard, url: str | None) -> UrlGuard:
    """Return the URL guard of uploads: the operator's host is allowed, redirects to others are checked."""
    host = urlsplit(url or "").hostname
    return guard if host is None else guard.allowing(host)
