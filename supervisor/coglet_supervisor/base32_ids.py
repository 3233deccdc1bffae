"""The ids of the hosted API: 26 characters of base32, in lower case."""

import base64
import os
from typing import Final

_BYTES: Final = 16


def new_id() -> str:
    """Return a random id."""
    return base32_id(os.urandom(_BYTES))


def base32_id(digest: bytes) -> str:
    """Return the id for the beginning of a digest."""
    return base64.b32encode(digest[:_BYTES]).decode().rstrip("=").lower()
