"""Input for one HTTP/1 connection: valid requests, mutated in a few places."""

import json
import random
from collections.abc import Sequence
from typing import Final

from integration.fuzz.mutation import mutated

_TOKENS: Final = (
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b"\t",
        b":",
        b"\r\n\r\n",
        b"\xff\xfe",
        "é".encode(),
        b"%00",
        b"%ff",
    ),
    *(b"Host: x\r\n", b"Host: \r\n", b"Content-Length: 5\r\n", b"Content-Length: -1\r\n"),
    *(b"Content-Length: 99999999999999999999\r\n", b"Transfer-Encoding: chunked\r\n"),
    *(b"Transfer-Encoding: gzip, chunked\r\n", b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\n"),
    *(b"Connection: upgrade, HTTP2-Settings\r\n", b"Connection: close\r\n", b"Prefer: respond-async\r\n"),
    *(
        b"Accept: text/event-stream\r\n",
        b"0\r\n\r\n",
        b"5\r\nhello\r\n",
        b"ffffffffffffffff\r\n",
        b"HTTP/1.0",
    ),
    *(b"HTTP/2.0", b"HTTP/9.9", b"CONNECT", b"OPTIONS *", b"http://x/", b"A" * 20_000, b"a: b\r\n" * 2000),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
)


def requests(rng: random.Random) -> bytes:
    """Return the bytes for one connection: a few requests in a row, each mutated or not."""
    return b"".join(
        mutated(rng, rng.choice(_BASES)(rng), _TOKENS) for _ in range(rng.choice([1, 1, 1, 2, 5, 40]))
    )


def _body(rng: random.Random) -> bytes:
    return json.dumps(
        {"input": {"text": "x" * rng.choice([0, 1, 300])}, "id": f"h{rng.randrange(99)}"}
    ).encode()


def _get(rng: random.Random) -> bytes:
    path = rng.choice(
        [b"/", b"/health-check", b"/openapi.json", b"/docs", b"/livez", b"/nowhere", b"/%2e%2e/"]
    )
    return b"%b %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % (
        rng.choice([b"GET", b"HEAD", b"OPTIONS", b"PUT"]),
        path,
    )


def _post(rng: random.Random) -> bytes:
    body = _body(rng)
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" % _path(rng)
    return head + b"%bContent-Length: %d\r\n\r\n" % (_extra(rng), len(body)) + body


def _chunked(rng: random.Random) -> bytes:
    body, framed = _body(rng), b""
    while body:
        size = rng.randint(1, len(body))
        extension = rng.choice([b"", b"", b";a=b", b";" + b"x" * 3000])
        framed += b"%x%b\r\n%b\r\n" % (size, extension, body[:size])
        body = body[size:]
    trailers = rng.choice([b"", b"Prefer: respond-async\r\n", b"a: b\r\n" * rng.choice([1, 500])])
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n" % _path(rng)
    return head + _extra(rng) + b"\r\n" + framed + b"0\r\n" + trailers + b"\r\n"


def _path(rng: random.Random) -> bytes:
    return rng.choice([b"/predictions", b"/predictions/p1", b"/predictions/p1/cancel", b"/trainings"])


def _extra(rng: random.Random) -> bytes:
    return b"".join(
        rng.sample([b"Prefer: respond-async\r\n", b"Accept: text/event-stream\r\n"], rng.randint(0, 2))
    )


_BASES: Final[Sequence] = (_get, _post, _post, _chunked)  # type: ignore[type-arg]
