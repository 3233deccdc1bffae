"""Signatures of webhooks, which let a receiver reject forged and replayed ones.

Source: Standard Webhooks 1.0, symmetric signatures (`v1`), which Replicate's clients verify.
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
    """Return a new message id."""
    return f"msg_{uuid.uuid4().hex}"


def end_message_id(prediction_id: str, created_at: float) -> str:
    """Return the message id of a terminal state: the same after a restart, another for each run."""
    run = f"{prediction_id} {created_at!r}".encode("utf-8", "replace")
    return f"msg_{hashlib.sha256(run).hexdigest()[:32]}"


@dataclass(frozen=True)
class Signer:
    """Signs webhooks with one key."""

    key: bytes

    @classmethod
    def from_secret(cls, secret: str | None) -> "Signer | None":
        """Return the signer of WEBHOOK_SIGNING_SECRET: `whsec_` and base64, or else the key itself.

        None without a secret. Raises StartupError if the base64 is invalid: the server must not start without
        the signatures that were requested.
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
            raise StartupError(f"WEBHOOK_SIGNING_SECRET is not base64 after {_PREFIX} (value not shown)")
        return cls(key)

    @property
    def secret(self) -> str:
        """The key as receivers write it."""
        return f"{_PREFIX}{base64.b64encode(self.key).decode()}"

    def headers(self, message_id: str, timestamp: int, body: bytes) -> dict[bytes, bytes]:
        """Return the headers of one attempt; `timestamp` is its time in Unix seconds."""
        signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
        digest = hmac.digest(self.key, signed, hashlib.sha256)
        return {
            b"webhook-id": message_id.encode(),
            b"webhook-timestamp": b"%d" % timestamp,
            b"webhook-signature": b"v1," + base64.b64encode(digest),
        }
