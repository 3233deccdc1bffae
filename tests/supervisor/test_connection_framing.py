"""Where a request ends: what h11 accepts is served with the same body, and what h11 rejects is rejected.

The table has the forms of RFC 9112 that are known from request smuggling. DEVIATIONS lists where we differ,
and why.
"""

from typing import Final

import h11
import pytest
from tests.supervisor.connecting import GET, OK, POST, Client, answer, body_of

LENGTHS: Final = {
    "plain": b"5",
    "plus": b"+5",
    "minus": b"-1",
    "hex": b"0x5",
    "fraction": b"5.0",
    "underscore": b"0_5",
    "list": b"5, 5",
    "list of different": b"5,6",
    "two numbers": b"5 5",
    "empty": b"",
    "leading zero": b"05",
    "20 digits": b"0" * 19 + b"5",
    "21 digits": b"0" * 20 + b"5",
    "spaces around": b" \t5\t ",
    "2**64 + 5": b"18446744073709551621",
    "non-ASCII digit": b"\xb2",
    "parameter": b"5;x",
}
CODINGS: Final = {
    "chunked": b"chunked",
    "other case": b"Chunked",
    "spaces around": b" \tchunked ",
    "tab after": b"chunked\t",
    "vertical tab": b"\x0bchunked",
    "gzip, chunked": b"gzip, chunked",
    "identity, chunked": b"identity, chunked",
    "chunked, chunked": b"chunked, chunked",
    "chunked, gzip": b"chunked, gzip",
    "identity": b"identity",
    "gzip": b"gzip",
    "xchunked": b"xchunked",
    "quoted": b'"chunked"',
    "parameter": b"chunked;q=1",
    "comma after": b"chunked,",
    "comma before": b",chunked",
    "empty": b"",
}
FIELDS: Final = {
    "two equal lengths": b"Content-Length: 5\r\nContent-Length: 5\r\n",
    "two different lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n",
    "chunked in two lines": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "gzip and chunked in two lines": b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
    "chunked and identity in two lines": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    "chunked and a length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "a length and chunked": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "space before the colon": b"Content-Length : 5\r\n",
    "tab before the colon": b"Content-Length\t: 5\r\n",
    "space in the name": b"Content Length: 5\r\n",
    "underscore in the name": b"Content_Length: 5\r\n",
    "no colon": b"Content-Length\r\n",
    "no name": b": 5\r\n",
    "no space after the colon": b"Content-Length:5\r\n",
    "folded": b"A: b\r\n c\r\nContent-Length: 5\r\n",
    "folded name": b"Content-\r\n Length: 5\r\n",
    "folded length": b"Content-Length:\r\n 5\r\n",
    "NUL in a value": b"A: b\0c\r\n",
    "NUL in a name": b"A\0: b\r\n",
    "control character in a value": b"A: b\x01c\r\n",
    "CR in a value": b"A: b\rc\r\n",
    "two CR": b"A: b\r\r\n",
    "LF alone": b"A: b\nContent-Length: 5\r\n",
    "LF before the end": b"Content-Length: 5\r\n\n",
    "non-ASCII in a value": b"A: \xff\r\nContent-Length: 5\r\n",
    "non-ASCII in a name": b"A\xff: b\r\n",
    "every character of a name": b"!#$%&'*+-.^_`|~09azAZ: b\r\nContent-Length: 5\r\n",
}
CHUNKS: Final = {
    "two": b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n",
    "upper case": b"A\r\n0123456789\r\n0\r\n\r\n",
    "lower case": b"a\r\n0123456789\r\n0\r\n\r\n",
    "leading zeros": b"0005\r\nabcde\r\n000\r\n\r\n",
    "21 digits": b"0" * 20 + b"5\r\nabcde\r\n0\r\n\r\n",
    "plus": b"+5\r\nabcde\r\n0\r\n\r\n",
    "minus": b"-5\r\nabcde\r\n0\r\n\r\n",
    "0x": b"0x5\r\nabcde\r\n0\r\n\r\n",
    "no digit": b"g\r\nabcde\r\n0\r\n\r\n",
    "empty size": b"\r\nabcde\r\n0\r\n\r\n",
    "2**64 + 5": b"10000000000000005\r\nabcde\r\n0\r\n\r\n",
    "space before": b" 5\r\nabcde\r\n0\r\n\r\n",
    "space after": b"5 \r\nabcde\r\n0\r\n\r\n",
    "something after": b"5 a\r\nabcde\r\n0\r\n\r\n",
    "extension": b'5;a;b=c;d="e;f"\r\nabcde\r\n0;a\r\n\r\n',
    "LF in an extension": b"5;a\nb\r\nabcde\r\n0\r\n\r\n",
    "CR in an extension": b"5;a\rb\r\nabcde\r\n0\r\n\r\n",
    "NUL in an extension": b"5;a\0b\r\nabcde\r\n0\r\n\r\n",
    "LF after the size": b"5\nabcde\r\n0\r\n\r\n",
    "CR after the size": b"5\rabcde\r\n0\r\n\r\n",
    "LF after the data": b"5\r\nabcde\n0\r\n\r\n",
    "nothing after the data": b"5\r\nabcde0\r\n\r\n",
    "more data than announced": b"5\r\nabcdef\r\n0\r\n\r\n",
    "LF at the end": b"5\r\nabcde\r\n0\r\n\n",
    "trailer": b"5\r\nabcde\r\n0\r\nA: b\r\n\r\n",
    "trailer with a space before the colon": b"5\r\nabcde\r\n0\r\nA : b\r\n\r\n",
    "trailer with a NUL": b"5\r\nabcde\r\n0\r\nA: b\0\r\n\r\n",
    "trailer with a LF alone": b"5\r\nabcde\r\n0\r\nA: b\n\r\n",
    "folded trailer": b"5\r\nabcde\r\n0\r\nA: b\r\n c\r\n\r\n",
    "trailer with a length": b"5\r\nabcde\r\n0\r\nContent-Length: 5\r\n\r\n",
    "trailer with a coding": b"5\r\nabcde\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
}
LINES: Final = {
    "1.1": b"GET / HTTP/1.1",
    "1.0": b"GET / HTTP/1.0",
    "two spaces before the target": b"GET  / HTTP/1.1",
    "two spaces after the target": b"GET /  HTTP/1.1",
    "space before the line": b" GET / HTTP/1.1",
    "space after the line": b"GET / HTTP/1.1 ",
    "tabs": b"GET\t/\tHTTP/1.1",
    "empty line before": b"\r\nGET / HTTP/1.1",
    "no version": b"GET /",
    "half a version": b"GET / HTTP/",
    "1.10": b"GET / HTTP/1.10",
    "1.2": b"GET / HTTP/1.2",
    "2.0": b"GET / HTTP/2.0",
    "comma": b"GET / HTTP/1,1",
    "version in lower case": b"GET / http/1.1",
    "another protocol": b"GET / RTSP/1.0",
    "method in lower case": b"get / HTTP/1.1",
    "unknown method": b"FOO / HTTP/1.1",
    "method that is not ASCII": b"G\xc9T / HTTP/1.1",
    "NUL in the target": b"GET /\0 HTTP/1.1",
    "DEL in the target": b"GET /\x7f HTTP/1.1",
    "space in the target": b"GET /a b HTTP/1.1",
    "tab in the target": b"GET /a\tb HTTP/1.1",
    "target that is not ASCII": b"GET /\xff HTTP/1.1",
    "target without a slash": b"GET a HTTP/1.1",
    "two slashes": b"GET //a HTTP/1.1",
    "absolute target": b"GET http://x/a?b HTTP/1.1",
    "options": b"OPTIONS * HTTP/1.1",
}
HOSTS: Final = {
    "name": b"Host: x\r\n",
    "port": b"Host: x:80\r\n",
    "spaces around": b"Host: \tx \t\r\n",
    "address": b"Host: [::1]:80\r\n",
    "empty": b"Host:\r\n",
    "none": b"",
    "two equal": b"Host: x\r\nHost: x\r\n",
    "two different": b"Host: x\r\nHost: y\r\n",
    "space": b"Host: a b\r\n",
    "list": b"Host: a, b\r\n",
    "slash": b"Host: a/b\r\n",
    "user": b"Host: a@b\r\n",
    "port that is not a number": b"Host: a:b\r\n",
    "non-ASCII": b"Host: \xff\r\n",
}

CHUNKED: Final = b"5\r\nabcde\r\n0\r\n\r\n"
TABLE: Final = {
    **{f"length: {name}": POST + b"Content-Length: %b\r\n\r\nabcde" % it for name, it in LENGTHS.items()},
    **{
        f"coding: {name}": POST + b"Transfer-Encoding: %b\r\n\r\n" % it + CHUNKED
        for name, it in CODINGS.items()
    },
    **{
        f"fields: {name}": POST + it + b"\r\n" + (CHUNKED if b"chunked" in it else b"abcde")
        for name, it in FIELDS.items()
    },
    **{f"chunks: {name}": POST + b"Transfer-Encoding: chunked\r\n\r\n" + it for name, it in CHUNKS.items()},
    **{f"line: {name}": it + b"\r\nHost: x\r\n\r\n" for name, it in LINES.items()},
    **{f"host: {name}": b"GET / HTTP/1.1\r\n" + it + b"\r\n" for name, it in HOSTS.items()},
}

_MAY_REFUSE_LENGTHS: Final = "RFC 9110, 8.6: equal lengths are rejected or merged"
_MAY_REFUSE_BOTH: Final = "RFC 9112, 6.1: a server may reject both together, a form of request smuggling"
_MAY_WANT_CR: Final = "RFC 9112, 2.2: a recipient may, but need not, accept LF alone as the end of a line"
_MAY_REFUSE_FOLDS: Final = "RFC 9112, 5.2: a server must reject or unfold a folded line"
_NOT_IN_THE_GRAMMAR: Final = "RFC 9112, 7.1: not in the grammar of chunks"
_NEVER_IN_TRAILERS: Final = "RFC 9110, 6.5.1: framing fields must not be sent in trailers"
_WHATEVER_THE_TARGET: Final = "RFC 9112, 3.2: not a form of target; h11 leaves targets to its caller"
_BAD_HOST: Final = "RFC 9112, 3.2: 400 for an invalid Host; h11 leaves its value to its caller"
_UNKNOWN_METHOD: Final = "the parser does not distinguish an unknown method from invalid HTTP"
_MAY_SPLIT_AT_SPACES: Final = "RFC 9112, 3: a recipient may split the line at any whitespace"

DEVIATIONS: Final = {
    "length: list": _MAY_REFUSE_LENGTHS,
    "length: 2**64 + 5": "a length that no counter holds; h11 would wait for the body",
    "coding: tab after": "the parser accepts only spaces there, and rejects a tab",
    "fields: two equal lengths": _MAY_REFUSE_LENGTHS,
    "fields: chunked and a length": _MAY_REFUSE_BOTH,
    "fields: a length and chunked": _MAY_REFUSE_BOTH,
    "fields: folded": _MAY_REFUSE_FOLDS,
    "fields: folded length": _MAY_REFUSE_FOLDS,
    "fields: control character in a value": "RFC 9110, 5.5: such values are invalid, and may be refused",
    "fields: LF alone": _MAY_WANT_CR,
    "fields: LF before the end": _MAY_WANT_CR,
    "chunks: 21 digits": "the grammar has no limit; what zeros cost is counted as framing",
    "chunks: 2**64 + 5": "a size that no counter holds; h11 would wait for the data",
    "chunks: space after": _NOT_IN_THE_GRAMMAR,
    "chunks: CR in an extension": _NOT_IN_THE_GRAMMAR,
    "chunks: NUL in an extension": _NOT_IN_THE_GRAMMAR,
    "chunks: LF at the end": _MAY_WANT_CR,
    "chunks: trailer with a LF alone": _MAY_WANT_CR,
    "chunks: folded trailer": _MAY_REFUSE_FOLDS,
    "chunks: trailer with a length": _NEVER_IN_TRAILERS,
    "chunks: trailer with a coding": _NEVER_IN_TRAILERS,
    "line: two spaces before the target": _MAY_SPLIT_AT_SPACES,
    "line: two spaces after the target": _MAY_SPLIT_AT_SPACES,
    "line: empty line before": "RFC 9112, 2.2: a server should ignore an empty line before a request",
    "line: 1.2": "RFC 9110, 2.5: a version that does not exist",
    "line: 2.0": "RFC 9110, 15.6.6: 505, since another major version is another syntax",
    "line: another protocol": "the parser also accepts RTSP; a request of version 1.0 is answered and closed",
    "line: method in lower case": _UNKNOWN_METHOD,
    "line: unknown method": _UNKNOWN_METHOD,
    "line: target without a slash": _WHATEVER_THE_TARGET,
    "host: space": _BAD_HOST,
    "host: list": _BAD_HOST,
    "host: slash": _BAD_HOST,
    "host: user": _BAD_HOST,
    "host: port that is not a number": _BAD_HOST,
    "host: non-ASCII": _BAD_HOST,
}

REFUSED: Final = "refused"
INCOMPLETE: Final = "incomplete"


def verdict_of_h11(request: bytes) -> bytes | str:
    """Return the body as h11 reads it, REFUSED or INCOMPLETE."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(request)
    body = b""
    try:
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                return INCOMPLETE
            if isinstance(event, h11.Data):
                body += event.data
    except h11.RemoteProtocolError:
        return REFUSED
    return body


async def our_verdict(client: Client) -> bytes | str:
    """Return the body as our connection reads it, REFUSED or INCOMPLETE."""
    if client.wire.ended == "eof":
        assert client.got.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 ", b"HTTP/1.1 505 "))
        return REFUSED
    if not client.host.asked or not client.host.asked[0].request_complete:
        return INCOMPLETE
    return await body_of(client.host.asked[0])


@pytest.mark.parametrize("name", TABLE)
async def test_requests_end_where_h11_says(name: str) -> None:
    request = TABLE[name]
    whole, cut = Client(), Client()
    whole.send(request)
    for byte in request:
        cut.send(bytes([byte]))
    ours = await our_verdict(whole)
    assert await our_verdict(cut) == ours
    if name in DEVIATIONS:
        assert ours != verdict_of_h11(request), "no deviation any more"
    else:
        assert ours == verdict_of_h11(request)


def test_every_deviation_is_a_case_of_the_table() -> None:
    assert DEVIATIONS.keys() <= TABLE.keys()


async def test_a_rejected_request_does_not_affect_the_one_before() -> None:
    client = Client()
    client.send(GET + POST + b"Content-Length: x\r\n\r\n" + GET)
    (exchange,) = client.host.asked
    assert client.got == b""  # the first request is still being answered
    await answer(exchange)
    got = client.got
    assert got.startswith(OK)
    assert got.removeprefix(OK).startswith(b"HTTP/1.1 400 ")
    assert client.wire.ended == "eof"
    assert client.host.asked == [exchange]


async def test_a_bad_body_of_a_waiting_request_does_not_affect_the_others() -> None:
    client = Client()
    client.send(GET + POST + b"Transfer-Encoding: chunked\r\n\r\nx")
    (exchange,) = client.host.asked
    await answer(exchange)
    got = client.got
    assert got.startswith(OK)
    assert got.removeprefix(OK).startswith(b"HTTP/1.1 400 ")
    assert client.host.asked == [exchange]


async def test_what_follows_the_last_request_is_dropped() -> None:
    client = Client()
    last = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    client.send(last + GET + b"\x00no HTTP")
    client.send(b"\x00no HTTP")
    (exchange,) = client.host.asked
    await answer(exchange)
    assert client.got.endswith(b"connection: close\r\n\r\nok")
    assert client.wire.ended == "closed"
    assert client.host.asked == [exchange]
