"""runtime.md 1.3 and 1.4: the body of a creation request, and the fields in it."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from integration.conftest import Serve
from testing.client import Answer
from testing.script import script
from testing.server import Server

NOT_JSON = "Expected request with `Content-Type: application/json`"
NOT_PARSABLE = "Failed to parse the request body as JSON: "
WRONG_SHAPE = "Failed to deserialize the JSON body into the target type: "
TOO_LARGE = b"Failed to buffer the request body: length limit exceeded"
BODY_LIMIT = 100 * 1024 * 1024


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("echo") as server:
        yield server


def post(server: Server, body: bytes, content_type: str | None = "application/json") -> Answer:
    headers = {"Content-Type": content_type} if content_type is not None else {}
    return server.request("POST", "/predictions", body, headers)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=latin-1;x=y",
        "application/problem+json",
    ],
)
def test_json_media_types_are_parsed(server: Server, content_type: str) -> None:
    answer = post(server, b'{"input":{"code":"x"}}', content_type)
    assert answer.json()["output"] == {"code": "x"}


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "text/json", "application/jsonx", "x", ""],
)
def test_other_media_types_are_415(server: Server, content_type: str) -> None:
    answer = post(server, b'{"input":{"code":"x"}}', content_type)
    assert (answer.status, answer.text) == (415, NOT_JSON)


@pytest.mark.ours("decisions.md: a body without Content-Type is parsed as JSON when it is JSON, else 415")
def test_a_body_without_media_type_is_parsed_when_it_is_json(server: Server) -> None:
    assert post(server, b'{"input":{"code":"x"}}', None).json()["output"] == {"code": "x"}
    answer = post(server, b"code=x", None)
    assert (answer.status, answer.text) == (415, NOT_JSON)


def test_no_body_and_no_media_type_is_an_empty_request(server: Server) -> None:
    answer = post(server, b"", None)
    assert answer.status == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "input", "code"]


def test_an_empty_json_body_is_400(server: Server) -> None:
    answer = post(server, b"")
    assert (answer.status, answer.text) == (
        400,
        f"{NOT_PARSABLE}EOF while parsing a value at line 1 column 0",
    )


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{", id="cut"),
        pytest.param(b"nonsense", id="not JSON"),
        pytest.param(b'{"input":{"code":"x"}} x', id="trailing data"),
        pytest.param(b'\xef\xbb\xbf{"input":{"code":"x"}}', id="byte order mark"),
        pytest.param(b'{"input":{"code":"\xff"}}', id="no UTF-8"),
        pytest.param(b'{"input":{"code":NaN}}', id="NaN"),
        pytest.param(b'{"input":{"code":Infinity}}', id="Infinity"),
        pytest.param(b'{"input":{"code":1e400}}', id="overflow"),
        pytest.param(b'{"input":{"code":' + b"[" * 128 + b"]" * 128 + b"}}", id="deeper than 127"),
        pytest.param(b'{"input":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001, id="10 000 deep"),
        pytest.param(
            b'{"other":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
            id="10 000 deep in an unknown field",
            marks=pytest.mark.ours(
                "hardening.md S5: depth is limited everywhere; the peer skips what it ignores"
            ),
        ),
    ],
)
def test_invalid_json_is_400(server: Server, body: bytes) -> None:
    answer = post(server, body)
    assert answer.status == 400
    assert answer.text.startswith(NOT_PARSABLE)
    assert server.predict({"code": "still there"}).status == 200


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 1_000_000, id="a million open brackets"),
        pytest.param(b'{"id":5,"input":{"code":', id="wrong type, then cut"),
    ],
)
def test_what_is_wrong_in_two_ways_is_refused(server: Server, body: bytes) -> None:
    answer = post(server, body)
    assert answer.status in {400, 422}
    assert answer.text.startswith((NOT_PARSABLE, WRONG_SHAPE))


def test_a_nesting_of_100_passes(server: Server) -> None:
    value = b'{"input":{"code":"x","arguments":' + b"[" * 100 + b"]" * 100 + b"}}"
    assert post(server, value).status == 200


@pytest.mark.parametrize(
    ("body", "path"),
    [
        pytest.param(b"5", "", id="a number"),
        pytest.param(b"[]", "", id="an array"),
        pytest.param(b'"text"', "", id="a string"),
        pytest.param(b"null", "", id="null"),
        pytest.param(b'{"id":5}', "id", id="id is a number"),
        pytest.param(b'{"context":null}', "context", id="context is null"),
        pytest.param(b'{"context":{"a":1}}', "context.a", id="context holds a number"),
        pytest.param(b'{"webhook":5}', "webhook", id="webhook is a number"),
        pytest.param(b'{"webhook_events_filter":null}', "webhook_events_filter", id="filter is null"),
        pytest.param(b'{"webhook_events_filter":["bogus"]}', "webhook_events_filter[0]", id="unknown event"),
        pytest.param(
            b'{"webhook_events_filter":["START"]}', "webhook_events_filter[0]", id="event in capitals"
        ),
    ],
)
def test_json_of_another_shape_is_422_in_plain_text(server: Server, body: bytes, path: str) -> None:
    answer = post(server, body)
    assert (answer.status, answer.headers["content-type"]) == (422, "text/plain; charset=utf-8")
    assert answer.text.startswith(WRONG_SHAPE)
    assert path.split("[")[0].split(".")[0] in answer.text


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        pytest.param(b"Content-Length: %d" % (BODY_LIMIT + 1), bytes(BODY_LIMIT + 1), id="announced"),
        pytest.param(
            b"Transfer-Encoding: chunked",
            b"%x\r\n%s\r\n1\r\nx\r\n" % (BODY_LIMIT, bytes(BODY_LIMIT)),
            id="chunked",
        ),
    ],
)
def test_a_body_over_the_limit_is_413(server: Server, framing: bytes, body: bytes) -> None:
    head = b"POST /predictions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%s\r\n\r\n"
    answer = b""
    with server.address.socket() as sock:
        with suppress(ConnectionError):  # it may respond before it has read the whole body
            sock.sendall(head % framing + body)
        while TOO_LARGE not in answer and (data := sock.recv(65536)):
            answer += data
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.endswith(TOO_LARGE)
    assert server.predict({"code": "still there"}).status == 200


def test_of_repeated_keys_in_the_input_the_last_wins(server: Server) -> None:
    assert post(server, b'{"input":{"code":"x","code":"y"}}').json()["output"] == {"code": "y"}


# fields


@pytest.mark.parametrize("given", [{}, {"id": None}])
def test_an_id_is_generated(server: Server, given: dict[str, Any]) -> None:
    answers = [server.predict({"code": "x"}, **given).json() for _ in range(3)]
    assert all(re.fullmatch(r"pred_[0-9a-f]+", answer["id"]) for answer in answers)
    assert len({answer["id"] for answer in answers}) == 3


def test_a_given_id_is_used(server: Server) -> None:
    assert server.predict({"code": "x"}, id="mine").json()["id"] == "mine"


@pytest.mark.parametrize("body", [{}, {"input": None}, {"input": {}}])
def test_no_input_and_null_are_an_empty_input(server: Server, body: dict[str, Any]) -> None:
    answer = server.request("POST", "/predictions", body)
    assert answer.json()["detail"] == [
        {"loc": ["body", "input", "code"], "msg": "Field required", "type": "value_error.missing"}
    ]


@pytest.mark.parametrize("value", [5, "text", [], True])
def test_an_input_that_is_not_an_object_is_422(server: Server, value: object) -> None:
    answer = server.request("POST", "/predictions", {"input": value})
    assert answer.status == 422
    (problem,) = answer.json()["detail"]
    assert problem["loc"] == ["body", "input", "__root__"]
    assert problem["msg"].endswith('is not of type "object"')


def test_unknown_fields_of_any_type_are_ignored(server: Server) -> None:
    fields: dict[str, Any] = {
        "created_at": 5,
        "output_file_prefix": None,
        "started_at": [],
        "version": {"a": 1},
        "x": "y",
    }
    assert server.predict({"code": "x"}, **fields).json()["status"] == "succeeded"


def test_the_context_reaches_the_model(serve: Serve) -> None:
    def predict() -> dict[str, str]:
        from cog import current_scope

        return dict(current_scope().context)

    with serve("script") as server:
        assert server.predict(script(predict), context={"tenant": "a"}).json()["output"] == {"tenant": "a"}
        assert server.predict(script(predict)).json()["output"] == {}


def test_an_unreachable_webhook_does_no_harm(server: Server) -> None:
    answer = server.predict({"code": "x"}, webhook="http://127.0.0.1:1/", webhook_events_filter=["start"])
    assert answer.json()["status"] == "succeeded"
