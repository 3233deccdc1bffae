"""URLs that work without the token, for what clients of the hosted API read without it.

The client for Node sends no token when it reads a stream or an output file.
"""

import functools
import hashlib
import hmac
from typing import Final
from urllib.parse import parse_qs

_PARAMETER: Final = "signature"
# So many, because a short token could be guessed from a URL that others see.
_ITERATIONS: Final = 200_000


def signed_url(base_url: str, path: str, token: str | None) -> str:
    """Return the URL of a path, with a signature if clients need a token."""
    query = "" if token is None else f"?{_PARAMETER}={_signature(token, path.encode())}"
    return f"{base_url}{path}{query}"


def is_signed(path: bytes, query: bytes, token: str) -> bool:
    """True if the query has the signature of the path."""
    given = parse_qs(query.decode("latin-1")).get(_PARAMETER)
    return given is not None and hmac.compare_digest(given[0].encode(), _signature(token, path).encode())


def _signature(token: str, path: bytes) -> str:
    return hmac.digest(_key(token), path, hashlib.sha256).hex()


@functools.cache
def _key(token: str) -> bytes:
    """Derive the key, which takes 0.1 s. It is the same after a restart."""
    return hashlib.pbkdf2_hmac("sha256", token.encode("utf-8", "surrogateescape"), b"url", _ITERATIONS)
