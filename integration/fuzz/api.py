"""Well-formed requests with any content, to every route."""

import http.client
import json
import random
from typing import Any, Final

from testing.client import Address

_TEXTS: Final = (
    "",
    "a",
    "é\u0000",
    "\ud7ff\U0001f600",
    "../../etc/passwd",
    "a" * 5000,
    "%00",
    "data:,x",
    "http://",
)
_WEBHOOKS: Final = (
    *(
        "",
        "x",
        "http://",
        "http://127.0.0.1:1/",
        "https://127.0.0.1:1/",
        "ftp://127.0.0.1/",
        "http://[::1]:1/",
    ),
    *("http://127.0.0.1:99999/", "http://a..b/", "http://localhost:1/%zz", "http://user:pass@127.0.0.1:1/"),
)
_PATHS: Final = (
    *("/", "/health-check", "/openapi.json", "/docs", "/livez", "/readyz", "/predictions", "/predictions"),
    *(
        "/predictions/{}",
        "/predictions/{}",
        "/predictions/{}/cancel",
        "/trainings",
        "/trainings/{}",
        "/nowhere",
    ),
)
_LEAVES: Final = 0.2
_SHORT_S: Final = 0.02


def ask(address: Address, rng: random.Random) -> None:
    """Send one request; the server must respond, with any status, unless the client disconnects first."""
    path = rng.choice(_PATHS).format(rng.choice(["p1", "p2", "%C3%A9", "%ff", "a" * 300]))
    method = rng.choice(["GET", "POST", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
    headers = dict(rng.sample(_HEADERS, rng.randint(0, 3)))
    body = _body(rng) if method in {"POST", "PUT"} else None
    leaves = rng.random() < _LEAVES
    with address.connect() as connection:
        try:
            connection.connect()
            if leaves:
                connection.sock.settimeout(_SHORT_S)
            content = json.dumps(body).encode() if isinstance(body, dict) else body
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status < 500 or answer.status == 503, (
                f"{answer.status} for {method} {path} {body!r:.300}"
            )
        except (OSError, http.client.HTTPException):
            if not leaves:
                raise


_HEADERS: Final = [
    ("Content-Type", "application/json"),
    ("Content-Type", "application/json; charset=utf-8"),
    ("Content-Type", "text/plain"),
    ("Prefer", "respond-async"),
    ("Prefer", "wait=1, respond-async;q=x,,"),
    ("Accept", "text/event-stream"),
    ("Last-Event-ID", "1"),
    ("Last-Event-ID", "-1"),
    ("traceparent", "x" * 200),
    ("Origin", "http://localhost"),
    ("Authorization", "Bearer x"),
]


def _body(rng: random.Random) -> Any:
    if rng.random() < 0.1:
        return rng.choice(
            [b"", b"null", b"[]", b"{", b'{"input": NaN}', b'{"input":' + b"[" * 3000, b"\xff\xfe"]
        )
    body: dict[str, Any] = {"input": _input(rng)}
    for name, make in _FIELDS.items():
        if rng.random() < 0.2:
            body[name] = make(rng)
    return body


def _input(rng: random.Random) -> Any:
    if rng.random() < 0.1:
        return _value(rng, 3)
    names = rng.sample(["text", "count", "items", "data", "file", "secret", "unknown", ""], rng.randint(0, 4))
    fitting: dict[str, Any] = {
        "text": "a",
        "count": 2,
        "items": ["a"],
        "data": {},
        "file": "data:,x",
        "secret": "s",
    }
    return {
        name: fitting[name] if name in fitting and rng.random() < 0.7 else _value(rng, 3) for name in names
    }


def _value(rng: random.Random, depth: int) -> Any:
    match rng.randrange(8 if depth else 6):
        case 0:
            return rng.choice([None, True, False])
        case 1:
            return rng.choice([0, -1, 2**63, 10**400, -(10**30)])
        case 2:
            return rng.choice([0.5, 1e308, -0.0])
        case 6:
            return [_value(rng, depth - 1) for _ in range(rng.choice([0, 1, 5, 50]))]
        case 7:
            return {rng.choice(_TEXTS): _value(rng, depth - 1) for _ in range(rng.choice([0, 1, 5]))}
    return rng.choice(_TEXTS)


_FIELDS: Final[dict[str, Any]] = {
    "id": lambda rng: rng.choice([*_TEXTS, "p1", "p2", 1, None]),
    "context": lambda rng: rng.choice([{"a": "b"}, {"a": 1}, [], "x", {"k" * 999: "v" * 999}]),
    "webhook": lambda rng: rng.choice(_WEBHOOKS),
    "webhook_events_filter": lambda rng: rng.choice([["start"], ["completed"], [], ["x"], "start", None]),
    "output_file_prefix": lambda rng: rng.choice(_TEXTS),
    "x": lambda rng: _value(rng, 2),
}
