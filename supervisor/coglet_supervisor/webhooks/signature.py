"""Signatures of webhooks, by which a receiver knows that they are ours and not old ones again.

Source: Standard Webhooks 1.0, symmetric signatures (`v1`), which Replicate's own clients check.
"""

import base64
import binascii
import hashlib
import hmac
import uuid
from dataclasses import dataclass
from typing import Final

from coglet_supervisor.errors import StartupError

_PREFIX: Final = "whsec_"


def new_message_id() -> str:
    """Names one webhook, in all attempts to deliver it."""
    return f"msg_{uuid.uuid4().hex}"


@dataclass(frozen=True)
class Signer:
    """Signs with one key."""

    key: bytes

    @classmethod
    def from_secret(cls, secret: str | None) -> "Signer | None":
        """The signer of WEBHOOK_SIGNING_SECRET: `whsec_` and base64, or any text, which is the key itself.

        Raises StartupError: who asks for signatures must not be left without them.
        """
        if secret is None:
            return None
        if not secret.startswith(_PREFIX):
            return cls(secret.encode("utf-8", "surrogateescape"))
        try:
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not key:
            raise StartupError(f"WEBHOOK_SIGNING_SECRET must be base64 after {_PREFIX}; it is not shown here")
        return cls(key)

    def headers(self, message_id: str, timestamp: int, body: bytes) -> dict[bytes, bytes]:
        """The headers of one attempt; `timestamp` is its moment in Unix seconds."""
        signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
        digest = hmac.digest(self.key, signed, hashlib.sha256)
        return {
            b"webhook-id": message_id.encode(),
            b"webhook-timestamp": b"%d" % timestamp,
            b"webhook-signature": b"v1," + base64.b64encode(digest),
        }
