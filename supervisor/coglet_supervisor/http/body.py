"""The body of a creation request: decoded, or rejected with the peer's error messages."""

import re
from typing import Annotated, Final

import msgspec

from coglet_supervisor.http.request import HttpError, Request
from coglet_supervisor.predictions.problems import cut
from coglet_supervisor.predictions.queue import MAX_PRIORITY, MIN_PRIORITY
from coglet_supervisor.predictions.untrusted_json import NotJson, check_shape, decode
from coglet_supervisor.webhooks.queue import WebhookEvent

ALL_EVENTS: Final[tuple[WebhookEvent, ...]] = ("start", "output", "logs", "completed")

_MAX_REASON_CHARS: Final = 1_000
_JSON_TYPE = re.compile(r"application/(?:[^;\s]+\+)?json\s*(?:;|$)", re.IGNORECASE)


class CreateBody(msgspec.Struct):
    """The fields of a creation request. `input` stays JSON text; unknown fields are ignored."""

    id: str | None = None
    input: msgspec.Raw = msgspec.Raw(b"null")
    context: dict[str, str] = {}
    priority: Annotated[int, msgspec.Meta(ge=MIN_PRIORITY, le=MAX_PRIORITY)] = 0
    webhook: str | None = None
    webhook_events_filter: tuple[WebhookEvent, ...] = ALL_EVENTS


_decoder = msgspec.json.Decoder(CreateBody)


async def read_create_body(request: Request, limit: int) -> CreateBody:
    """Read and decode the body.

    Raises HttpError (400, 413, 415 or 422) if it is not a creation request of at most `limit` bytes, and
    Disconnected.
    """
    media_type = request.header(b"content-type")
    if media_type is not None and not _JSON_TYPE.match(media_type.strip()):
        raise _not_json()
    body = await request.body(limit)
    if not body and media_type is None:
        return CreateBody()
    try:
        check_shape(body)
        return decode(body, _decoder)  # type: ignore[no-any-return]
    except msgspec.ValidationError as error:
        # msgspec stops at the first wrong type; the text after it may not be valid JSON.
        _check_syntax(body)
        raise wrong_shape(_place(str(error))) from None
    except NotJson as error:
        if media_type is None:
            raise _not_json() from None
        raise not_parsable(error if body else "EOF while parsing a value at line 1 column 0") from None


def wrong_shape(reason: str) -> HttpError:
    """Return the error for JSON that is not a creation request: 422."""
    reason = cut(reason, _MAX_REASON_CHARS)  # it may quote the body
    return HttpError.text(422, f"Failed to deserialize the JSON body into the target type: {reason}")


def not_parsable(reason: object) -> HttpError:
    """Return the error for a body, or an input in it, that is not JSON: 400."""
    return HttpError.text(400, f"Failed to parse the request body as JSON: {reason}")


def _not_json() -> HttpError:
    return HttpError.text(415, "Expected request with `Content-Type: application/json`")


def _check_syntax(body: bytes | bytearray) -> None:
    try:
        decode(body)
    except NotJson as error:
        raise not_parsable(error) from None


def _place(message: str) -> str:
    """Rewrite msgspec's `Expected ... - at `$.context`` as `context: Expected ...`."""
    reason, separator, path = message.partition(" - at `$")
    return f"{path.strip('`').lstrip('.')}: {reason}" if separator else reason
