"""The name of a request's route, in which the parts that a client chooses are placeholders."""

from typing import Final

_COLLECTIONS: Final = {b"predictions": "/predictions", b"trainings": "/trainings"}
_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_HOSTED_WORDS: Final = frozenset(
    b"account cancel collections default deployments download files hardware models predictions search "
    b"secret stream trainings versions webhooks".split()
)
_MAX_SEGMENTS: Final = 8


def route_of(path: bytes) -> str | None:
    """Return the route of a path; None for those without traces: health checks, pages and unknown ones."""
    segments = path.split(b"?")[0].split(b"/")[1:]
    if len(segments) > _MAX_SEGMENTS:
        return None
    match segments:
        case [collection, *rest] if collection in _COLLECTIONS:
            return _route_in(_COLLECTIONS[collection], rest)
        case [b"v1", *rest] if rest:
            words = (part.decode() if part in _HOSTED_WORDS else "{name}" for part in rest)
            return "/".join(("/v1", *words))
    return None


def method_of(method: str) -> str:
    """Return a method for the name of a span: clients may send any word."""
    return method if method in _METHODS else "_OTHER"


def _route_in(collection: str, rest: list[bytes]) -> str | None:
    match rest:
        case []:
            return collection
        case [_]:
            return f"{collection}/{{id}}"
        case [_, b"cancel"]:
            return f"{collection}/{{id}}/cancel"
    return None
