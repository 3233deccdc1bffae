"""The files of the page. They contain nothing of this server, so reading them needs no token."""

from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

# All scripts and styles come from this server, and model output can only be shown as text or by a player for
# images, audio and video. Trusted Types make the browser refuse any script that would parse text as HTML.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
INDEX: Final = "index.html"
_TYPES: Final = {"js": "text/javascript", "css": "text/css", "html": "text/html", "svg": "image/svg+xml"}


class PageFile(NamedTuple):
    """A file of the page and its media type."""

    content: bytes
    content_type: str


@cache
def page_files() -> dict[str, PageFile]:
    """Return all files of the page, by name."""
    folder = Path(__file__).with_name("page")
    return {
        file.name: PageFile(file.read_bytes(), f"{_TYPES[file.name.rpartition('.')[2]]}; charset=utf-8")
        for file in folder.iterdir()
    }


def open_paths() -> frozenset[bytes]:
    """Return the paths that need no token: the page asks for it, so its own files cannot need it."""
    return frozenset({b"/ui", b"/ui/", b"/ui/config", *(f"/ui/{name}".encode() for name in page_files())})
