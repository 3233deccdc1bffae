"""Checks of the head of an HTTP/1 request that the parser does not make (RFC 9112, 3 and 6)."""

import re
from functools import lru_cache
from typing import Final

Fields = list[tuple[bytes, bytes]]

# RFC 3986, 3.2: an address in brackets or a name, and a port. Only a Host may have an empty name.
_ADDRESS: Final = rb"\[[0-9A-Za-z:.%~_-]+\]"
_NAME: Final = rb"[A-Za-z0-9._~!$&'()*+,;=%-]"
_PORT: Final = rb"(?::[0-9]{0,5})?"
_HOST: Final = re.compile(rb"(?:%b|%b*)%b" % (_ADDRESS, _NAME, _PORT))
_ABSOLUTE: Final = re.compile(
    rb"https?://((?:%b|%b+)%b)(/[^?]*)?(?:\?(.*))?" % (_ADDRESS, _NAME, _PORT), re.IGNORECASE
)
_MAX_HOST_BYTES: Final = 300  # a DNS name has at most 253, and a port may follow
_MAX_LENGTH_DIGITS: Final = 20  # as many as 2**64 has; h11 has the same limit
_CHECKED: Final = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect"})


class RefusedHead(Exception):
    """The request is rejected with `status`, and its connection is closed."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status


def check_fields(version: str, fields: Fields) -> bool:
    """Check Host and framing fields, whose names are in lower case. True if the client expects 100 Continue.

    Raises RefusedHead if a field is invalid or not supported.
    """
    hosts, expects_continue = 0, False
    for name, value in fields:
        if name not in _CHECKED:
            continue
        if name == b"host":
            hosts += 1
            if len(value) > _MAX_HOST_BYTES or not _is_host(value):
                raise RefusedHead(400, "invalid Host")
        elif name == b"content-length":
            if len(value) > _MAX_LENGTH_DIGITS:
                raise RefusedHead(400, "invalid Content-Length")
        elif name == b"expect":
            expects_continue = value.lower() == b"100-continue" and version == "1.1"
        elif value.lower() != b"chunked":
            raise RefusedHead(501, "a Transfer-Encoding other than chunked")
    if hosts != 1 and (hosts > 1 or version == "1.1"):
        raise RefusedHead(400, f"{hosts} Host fields")
    return expects_continue


def check_version(version: str) -> None:
    """Raise RefusedHead if the version is neither HTTP/1.0 nor HTTP/1.1."""
    if version == "0.9":  # what the parser reports for a request line without a version
        raise RefusedHead(400, "no version")
    if version not in {"1.0", "1.1"}:
        raise RefusedHead(505, f"HTTP/{version}")


def may_persist_in_1_0(fields: Fields) -> bool:
    """False if an HTTP/1.0 connection must be closed although the client sent `keep-alive`.

    `close` takes precedence over `keep-alive`. A chunked body may have come through a proxy that does not
    know where it ends (RFC 9112, 6.1).
    """
    return not any(
        name == b"transfer-encoding"
        or (name == b"connection" and b"close" in {option.strip() for option in value.lower().split(b",")})
        for name, value in fields
    )


def split_target(method: bytes, target: bytes, fields: Fields) -> tuple[bytes, bytes]:
    """Return path and query of a request target. Raises RefusedHead if it is invalid.

    The authority of an absolute target replaces the Host in `fields` (RFC 9112, 3.2.2).
    """
    if target.startswith(b"/"):
        raw_path, _, query = target.partition(b"?")
        return raw_path, query
    if target == b"*":
        if method != b"OPTIONS":
            raise RefusedHead(400, "the target * is for OPTIONS")
        return target, b""
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        raise RefusedHead(400, "invalid target")
    authority, raw_path, query = match.groups(b"")
    fields[:] = [(b"host", authority), *(field for field in fields if field[0] != b"host")]
    return raw_path or b"/", query


def head_without_upgrade(method: bytes, target: bytes, version: str, fields: Fields) -> bytes:
    """Return the bytes of the head without Upgrade, which a server may ignore (RFC 9110, 7.8)."""
    lines = [b"%b %b HTTP/%b\r\n" % (method, target, version.encode())]
    lines += [b"%b: %b\r\n" % field for field in fields if field[0] != b"upgrade"]
    return b"".join([*lines, b"\r\n"])


@lru_cache(maxsize=64)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None
