"""Input for one HTTP/2 connection: frames of every kind, in any order, with any flags and payload."""

import random
from typing import Final

from integration.fuzz.mutation import mutated
from testing.http2 import (
    CONTINUATION,
    DATA,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    encoded,
    fields,
    frame,
)

_KINDS: Final = (
    *(HEADERS, HEADERS, HEADERS, DATA, DATA, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY),
    *(WINDOW_UPDATE, CONTINUATION, 5, 0x10, 0xC, 0xFA),
)
_TOKENS: Final = (b"\0" * 9, b"\xff" * 9, frame(PING, 0, 0, bytes(8)), frame(SETTINGS, 0, 0), PREFACE)
_METHODS: Final = (b"GET", b"POST", b"CONNECT", b"PUT", b"HEAD", b"G\xc3\x89T", b"", b"get")
_PATHS: Final = (b"/livez", b"/predictions", b"/\xff\xfe", b"", b"*", b"http://x/", b"/" + b"a" * 9000)


def frames(rng: random.Random) -> bytes:
    """Return the bytes for one connection."""
    opening = PREFACE + frame(SETTINGS, 0, 0) if rng.random() < 0.9 else PREFACE
    count = rng.choice([1, 3, 10, 40, 600])
    repeated = rng.random() < 0.2  # of one kind, as a flood
    kind = rng.choice(_KINDS)
    stream = 1
    sent = b""
    for _ in range(count):
        kind = kind if repeated else rng.choice(_KINDS)
        stream += 2 if kind == HEADERS and rng.random() < 0.9 else 0
        sent += _frame(rng, kind, stream)
    return opening + (mutated(rng, sent, _TOKENS) if rng.random() < 0.5 else sent)


def _frame(rng: random.Random, kind: int, stream: int) -> bytes:
    flags = rng.choice([0, 1, 4, 5, 8, 0x20, 0x25, 0xFF])
    stream = rng.choice([stream, stream, stream, 0, 1, 2, 2**31 - 1])
    return frame(kind, flags, stream, _payload(rng, kind))


def _payload(rng: random.Random, kind: int) -> bytes:
    if rng.random() < 0.1:
        return rng.randbytes(rng.choice([0, 1, 5, 100, 16_384]))
    match kind:
        case 1 | 9:
            more = [(b"content-type", b"application/json")] if rng.random() < 0.5 else []
            return encoded(fields(rng.choice(_METHODS), rng.choice(_PATHS), *more))
        case 0:
            return rng.choice([b"", b"x", b'{"input": {}}', b'{"input": {"text": "a"}}', bytes(1000)])
        case 4:
            return b"".join(rng.randbytes(6) for _ in range(rng.randint(0, 4)))
        case 2:
            return rng.randbytes(5)
    return rng.randbytes({3: 4, 6: 8, 7: 8, 8: 4}.get(kind, 4))
