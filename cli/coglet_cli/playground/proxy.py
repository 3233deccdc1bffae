"""Forwards a request of the page to the model server that it names, and streams the response back."""

import base64
import json
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Final
from urllib.parse import urlsplit

import httpx

_CHUNK_BYTES: Final = 64 * 1024
# Hop-by-hop headers (RFC 9110, 7.6.1), and those that a model server should not get from this browser.
_NOT_FORWARDED: Final = frozenset(
    "connection keep-alive proxy-authorization proxy-connection te trailer transfer-encoding upgrade "
    "host content-length authorization cookie origin referer x-cog-target x-cog-token accept-encoding".split()
)
# A prediction has no time limit.
_TIMEOUT: Final = httpx.Timeout(None, connect=10.0)


def forward(request: BaseHTTPRequestHandler, path: str) -> None:
    """Answer `request` with the response of the server in X-Cog-Target to `path`.

    Answers 400 if the header is not an http or https URL, 502 if the server does not respond.
    """
    target = request.headers.get("X-Cog-Target", "").rstrip("/")
    if urlsplit(target).scheme not in ("http", "https") or not urlsplit(target).hostname:
        request.close_connection = True
        _fail(request, HTTPStatus.BAD_REQUEST, f"{target!r} is not an http:// or https:// URL")
        return
    headers = {name: value for name, value in request.headers.items() if name.lower() not in _NOT_FORWARDED}
    if token := request.headers.get("X-Cog-Token"):
        headers["Authorization"] = token  # the model server's own, which the user has entered for it
    given = request.headers.get("Content-Length", "")
    length = int(given) if given.isdecimal() else 0
    body = None
    if length:
        headers["Content-Length"] = str(length)
        body = _body(request, length)
    try:
        with httpx.stream(
            request.command, target + path, headers=headers, content=body, timeout=_TIMEOUT, trust_env=False
        ) as answer:
            _pass_back(request, answer)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        request.close_connection = True
        _fail(request, HTTPStatus.BAD_GATEWAY, f"no response from {target}: {error}")


def _body(request: BaseHTTPRequestHandler, length: int) -> Iterator[bytes]:
    while length and (chunk := request.rfile.read(min(length, _CHUNK_BYTES))):
        length -= len(chunk)
        yield chunk


def _pass_back(request: BaseHTTPRequestHandler, answer: httpx.Response) -> None:
    request.send_response_only(answer.status_code)
    request.send_header("Content-Type", answer.headers.get("Content-Type", "application/octet-stream"))
    upstream = json.dumps(dict(answer.headers)).encode()
    request.send_header("X-Cog-Upstream-Headers", base64.b64encode(upstream).decode())
    # Untrusted content under our own origin: it must not run as a page.
    request.send_header("Content-Security-Policy", "sandbox; default-src 'none'")
    request.send_header("X-Content-Type-Options", "nosniff")
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    try:
        for chunk in answer.iter_bytes():
            request.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            request.wfile.flush()
        request.wfile.write(b"0\r\n\r\n")
    except httpx.HTTPError:
        # Without the last chunk, the browser sees that the response is incomplete.
        request.close_connection = True


def _fail(request: BaseHTTPRequestHandler, status: HTTPStatus, reason: str) -> None:
    body = json.dumps({"error": reason}).encode()
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
