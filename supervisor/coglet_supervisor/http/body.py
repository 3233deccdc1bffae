"""The body of a creation request: decoded, or refused in the words that clients know."""

import re
from typing import Final, Literal

import msgspec

from coglet_supervisor.http.asgi import HttpError, Request

WebhookEvent = Literal["start", "output", "logs", "completed"]
ALL_EVENTS: Final[tuple[WebhookEvent, ...]] = ("start", "output", "logs", "completed")

MAX_DEPTH: Final = 127

_JSON_TYPE = re.compile(r"application/(?:[^;\s]+\+)?json\s*(?:;|$)", re.IGNORECASE)


class CreateBody(msgspec.Struct):
    """What a client may say. `input` stays JSON text; unknown fields are ignored."""

    id: str | None = None
    input: msgspec.Raw = msgspec.Raw(b"null")
    context: dict[str, str] = {}
    webhook: str | None = None
    webhook_events_filter: tuple[WebhookEvent, ...] = ALL_EVENTS


_decode = msgspec.json.Decoder(CreateBody).decode


async def read_create_body(request: Request, limit: int) -> CreateBody:
    """Reads and decodes the body. Raises HttpError and Disconnected."""
    media_type = request.header(b"content-type")
    if media_type is not None and not _JSON_TYPE.match(media_type.strip()):
        raise _not_json()
    body = await request.body(limit)
    if not body and media_type is None:
        return CreateBody()
    try:
        return _decode(body)
    except msgspec.ValidationError as error:
        # msgspec stops at the first wrong type; what follows may not even be JSON.
        _check_syntax(body)
        raise HttpError.text(
            422, f"Failed to deserialize the JSON body into the target type: {_place(str(error))}"
        ) from None
    except (msgspec.DecodeError, RecursionError) as error:
        if media_type is None:
            raise _not_json() from None
        raise not_parsable(error, body) from None


def _not_json() -> HttpError:
    return HttpError.text(415, "Expected request with `Content-Type: application/json`")


def not_parsable(error: Exception, body: bytes = b"x") -> HttpError:
    """The answer to a body, or an input in it, that is no JSON."""
    reason = str(error)
    if not body:
        reason = "EOF while parsing a value at line 1 column 0"
    elif isinstance(error, RecursionError):
        reason = "recursion limit exceeded"
    return HttpError.text(400, f"Failed to parse the request body as JSON: {reason}")


def _check_syntax(body: bytes) -> None:
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise not_parsable(error) from None


def _place(message: str) -> str:
    """msgspec's `Expected ... - at `$.context`` as `context: Expected ...`."""
    reason, separator, path = message.partition(" - at `$")
    return f"{path.strip('`').lstrip('.')}: {reason}" if separator else reason
