"""What a client of the hosted API may send to create a prediction or training."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

import msgspec

from coglet_supervisor.base32_ids import base32_id
from coglet_supervisor.http.body import ALL_EVENTS
from coglet_supervisor.pages.hosted.problems import invalid_request, problem
from coglet_supervisor.predictions.problems import cut
from coglet_supervisor.predictions.untrusted_json import NotJson, check_shape, decode
from coglet_supervisor.webhooks.queue import WebhookEvent

MAX_WAIT_S: Final = 60.0
MIN_DEADLINE_S: Final = 5.0
MAX_DEADLINE_S: Final = 30 * 24 * 3600.0
_MAX_KEY_CHARS: Final = 255
_UNITS_S: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smh])")
_WAIT: Final = re.compile(r'wait(?:\s*=\s*"?(\d{1,9})"?)?')


class Creation(msgspec.Struct):
    """The body of a creation. `input` stays JSON text; unknown fields are ignored."""

    input: msgspec.Raw = msgspec.Raw(b"null")
    version: str | None = None
    destination: str | None = None
    stream: bool | None = None
    webhook: str | None = None
    webhook_completed: str | None = None
    webhook_events_filter: tuple[WebhookEvent, ...] | None = None

    @property
    def hook_url(self) -> str | None:
        """Where webhooks go. `webhook_completed` is from an earlier release of the API."""
        return self.webhook if self.webhook is not None else self.webhook_completed

    @property
    def hook_events(self) -> tuple[WebhookEvent, ...]:
        """Which events go there."""
        if self.webhook is None and self.webhook_completed is not None:
            return ("completed",)
        return ALL_EVENTS if self.webhook_events_filter is None else self.webhook_events_filter


_decoder = msgspec.json.Decoder(Creation)


def read_creation(body: bytes) -> Creation:
    """Decode a body. Raises HttpError 400 if it is not JSON, 422 if it has another shape."""
    try:
        check_shape(body)
        return decode(body, _decoder)  # type: ignore[no-any-return]
    except msgspec.ValidationError as error:
        raise invalid_request(cut(str(error), 1000)) from None
    except NotJson as error:
        raise problem(400, "Bad Request", f"The body of the request is not JSON: {error}") from None


def wait_limit_s(prefer: str | None) -> float | None:
    """Return for how long a client wants to wait for the end (`Prefer: wait[=N]`), or None."""
    for part in (prefer or "").split(","):
        if match := _WAIT.fullmatch(part.partition(";")[0].strip().lower()):
            wanted = float(match[1]) if match[1] else MAX_WAIT_S
            return wanted if 1 <= wanted <= MAX_WAIT_S else MAX_WAIT_S
    return None


def deadline_s(cancel_after: str | None) -> float | None:
    """Return the seconds of a `Cancel-After` header, or None without one. Raises HttpError 422."""
    if cancel_after is None:
        return None
    match = _DURATION.fullmatch(cancel_after.strip())
    seconds = float(match[1]) * _UNITS_S[match[2]] if match else 0.0
    if not MIN_DEADLINE_S <= seconds <= MAX_DEADLINE_S:
        raise invalid_request(
            f"Cancel-After: is {cut(cancel_after)!r}, but must be a duration of at least 5 seconds and at "
            "most 30 days, as in 30s, 5m or 1h"
        )
    return seconds


@dataclass(frozen=True)
class IdempotencyKey:
    """The `Idempotency-Key` of a request, and the request's route and body."""

    key: str
    route: str
    body: bytes

    def prediction_id(self, generation: int) -> str:
        """Return the id that the same request always gets.

        A higher `generation` is for a key that is used again when it is not known any more.
        """
        digest = hashlib.sha256()
        for part in (self.key.encode(), self.route.encode(), self.body):
            digest.update(hashlib.sha256(part).digest())
        if generation:
            digest.update(b"%d" % generation)
        return base32_id(digest.digest())


def check_key(key: str) -> None:
    """Raise HttpError 422 if a key is too long."""
    if len(key) > _MAX_KEY_CHARS:
        raise invalid_request(
            f"Idempotency-Key: has {len(key)} characters, must have at most {_MAX_KEY_CHARS}"
        )
