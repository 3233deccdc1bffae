"""The body of a creation request: what is understood, and in which words the rest is refused."""

import msgspec
import pytest
from tests.supervisor.fakes import Caller

from coglet_supervisor.http.body import ALL_EVENTS, CreateBody, read_create_body
from coglet_supervisor.http.request import Disconnected, HttpError, Request

LIMIT = 1000
JSON = "application/json"


async def read(*pieces: bytes, limit: int = LIMIT, **headers: str) -> CreateBody:
    caller = Caller("POST", "/predictions", *pieces, **headers)
    return await read_create_body(Request(caller.scope, caller.receive), limit)


async def refusal(*pieces: bytes, limit: int = LIMIT, **headers: str) -> tuple[int, str]:
    with pytest.raises(HttpError) as caught:
        await read(*pieces, limit=limit, **headers)
    return caught.value.status, caught.value.body.decode()


async def test_all_fields() -> None:
    text = (
        b'{"id":"p","input":{"n": 1},"context":{"a":"b"},"webhook":"http://x/",'
        b'"webhook_events_filter":["start","completed"],"unknown":[1]}'
    )
    body = await read(text, content_type=JSON)
    assert (body.id, bytes(body.input), body.context) == ("p", b'{"n": 1}', {"a": "b"})
    assert (body.webhook, body.webhook_events_filter) == ("http://x/", ("start", "completed"))


@pytest.mark.parametrize("text", [b"{}", b'{"id":null,"webhook":null}'])
async def test_defaults(text: bytes) -> None:
    body = await read(text, content_type=JSON)
    assert body == CreateBody(id=None, input=msgspec.Raw(b"null"), context={}, webhook=None)
    assert body.webhook_events_filter == ALL_EVENTS


async def test_no_body_and_no_media_type_asks_for_the_defaults() -> None:
    assert await read() == CreateBody()


async def test_an_empty_body_that_is_announced_as_json_is_none() -> None:
    status, text = await refusal(b"", content_type=JSON)
    assert status == 400
    assert text.endswith("EOF while parsing a value at line 1 column 0")


@pytest.mark.parametrize(
    "media_type",
    [JSON, "Application/JSON", " application/json ", "application/json; charset=utf-8", "application/x+json"],
)
async def test_media_types_of_json(media_type: str) -> None:
    assert (await read(b"{}", content_type=media_type)).id is None


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/jsonx", "text/json", "application/json x", ""]
)
async def test_other_media_types_are_415(media_type: str) -> None:
    status, text = await refusal(b"{}", content_type=media_type)
    assert (status, text) == (415, "Expected request with `Content-Type: application/json`")


async def test_json_needs_no_media_type() -> None:
    assert (await read(b'{"id":"p"}')).id == "p"


async def test_other_text_without_a_media_type_is_415() -> None:
    assert (await refusal(b"a=b"))[0] == 415


@pytest.mark.parametrize("text", [b"{", b"a", b'{"id":"p"} x', b'{"id":1', b'{"id":"p",}'])
async def test_what_is_not_json_is_400(text: bytes) -> None:
    status, reason = await refusal(text, content_type=JSON)
    assert status == 400
    assert reason.startswith("Failed to parse the request body as JSON: ")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b'{"id":1}', "id: Expected"),
        (b'{"context":{"a":1}}', "context[...]: Expected `str`"),
        (b'{"webhook_events_filter":["never"]}', "webhook_events_filter[0]: Invalid enum value 'never'"),
        (b"[]", "Expected `object`"),
    ],
)
async def test_a_wrong_type_is_422_and_names_its_place(text: bytes, place: str) -> None:
    status, reason = await refusal(text, content_type=JSON)
    assert status == 422
    assert reason.startswith(f"Failed to deserialize the JSON body into the target type: {place}")


async def test_a_wrong_type_before_broken_json_is_400() -> None:
    assert (await refusal(b'{"id":1,', content_type=JSON))[0] == 400


async def test_a_reason_that_repeats_what_was_sent_is_cut() -> None:
    text = b'{"webhook_events_filter":["%b"]}' % (b"x" * 50_000)
    status, reason = await refusal(text, limit=100_000, content_type=JSON)
    assert status == 422
    assert len(reason) < 1200


async def test_the_limit() -> None:
    text = b'{"id":"p"}'
    assert (await read(text, limit=len(text))).id == "p"
    too_large = (413, "Failed to buffer the request body: length limit exceeded")
    assert await refusal(text, limit=len(text) - 1) == too_large
    assert await refusal(text[:5], text[5:], limit=len(text) - 1) == too_large


async def test_a_length_above_the_limit_is_refused_before_the_body() -> None:
    caller = Caller("POST", "/predictions", content_length=str(LIMIT + 1))
    with pytest.raises(HttpError) as caught:
        await read_create_body(Request(caller.scope, caller.receive), LIMIT)
    assert caught.value.status == 413
    assert (await caller.receive())["type"] == "http.request"  # nothing was read


async def test_a_body_in_pieces() -> None:
    assert (await read(b'{"i', b"", b'd":"', b'p"}')).id == "p"


async def test_a_client_that_leaves_within_its_body() -> None:
    caller = Caller("POST", "/predictions")
    await caller.receive()  # all that it has sent, and not the end of its body
    caller.leave()
    with pytest.raises(Disconnected):
        await read_create_body(Request(caller.scope, caller.receive), LIMIT)
