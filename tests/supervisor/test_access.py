"""Access control: bearer tokens, and Host and Origin on loopback (hardening.md)."""

import pytest

from coglet_supervisor.http.access import Access, is_loopback
from coglet_supervisor.http.request import HttpError, Message, Request
from coglet_supervisor.signed_urls import signed_url


async def no_body() -> Message:
    raise AssertionError("access is decided by the head")


def refused(access: Access, path: bytes = b"/predictions", **headers: str) -> int | None:
    """Return the status of the rejection, or None."""
    fields = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    request = Request({"method": "POST", "raw_path": path, "query_string": b"", "headers": fields}, no_body)
    try:
        access.check(request)
    except HttpError as error:
        return error.status
    return None


OPEN = Access(None, is_loopback=False, allowed_hosts=frozenset())
LOCAL = Access(None, is_loopback=True, allowed_hosts=frozenset({"my.example"}))
TOKEN = Access("sesame", is_loopback=False, allowed_hosts=frozenset())


def test_without_rules_every_request_is_allowed() -> None:
    assert refused(OPEN, host="evil.example", origin="https://evil.example") is None


def test_the_hosted_api_has_the_rules_of_loopback() -> None:
    path = b"/v1/predictions"
    assert refused(LOCAL, path, host="evil.example") == 403
    assert refused(LOCAL, path, host="localhost", origin="https://evil.example") == 403
    assert refused(LOCAL, path, host="localhost", origin="http://localhost:3000") is None


@pytest.mark.parametrize("value", ["Bearer sesame", "bearer sesame", "BEARER  sesame "])
def test_the_token_is_accepted(value: str) -> None:
    assert refused(TOKEN, authorization=value) is None


@pytest.mark.parametrize(
    "value", ["", "sesame", "Basic sesame", "Bearer", "Bearer Sesame", "Bearer sesame2", "Bearer s\xe9same"]
)
def test_anything_else_is_401(value: str) -> None:
    assert refused(TOKEN, authorization=value) == 401
    assert refused(TOKEN) == 401


def test_a_401_names_the_scheme() -> None:
    with pytest.raises(HttpError) as error:
        TOKEN.check(Request({"method": "GET", "raw_path": b"/", "query_string": b"", "headers": []}, no_body))
    assert (b"www-authenticate", b"Bearer") in error.value.headers


@pytest.mark.parametrize("path", [b"/health-check", b"/livez", b"/readyz"])
def test_probes_need_no_token(path: bytes) -> None:
    assert refused(TOKEN, path) is None


@pytest.mark.parametrize("path", [b"/health-check/", b"/health-check/../predictions", b"/", b"/shutdown"])
def test_other_paths_are_not_probes(path: bytes) -> None:
    assert refused(TOKEN, path) == 401


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000", "127.9.9.9", "my.example:1"]
)
def test_allowed_hosts_are_served_on_loopback(host: str) -> None:
    assert refused(LOCAL, host=host) is None
    assert refused(LOCAL, host="localhost", origin=f"http://{host}") is None


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "192.168.0.1", "my.example.evil", "[", "", "a@evil"]
)
def test_a_foreign_host_is_rejected_on_loopback(host: str) -> None:
    assert refused(LOCAL, host=host) == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost@evil.example", ""])
def test_a_foreign_origin_is_rejected_on_loopback(origin: str) -> None:
    assert refused(LOCAL, host="localhost", origin=origin) == 403
    assert refused(LOCAL, b"/health-check", host="localhost", origin=origin) == 403


def test_a_client_other_than_a_browser_needs_no_origin() -> None:
    assert refused(LOCAL) is None


@pytest.mark.parametrize(
    ("host", "result"),
    [
        ("LOCALHOST", True),
        ("::1", True),
        ("[::1]", True),
        ("127.0.0.1", True),
        ("0.0.0.0", False),
        ("x", False),
    ],
)
def test_loopback_hosts(host: str, result: bool) -> None:
    assert is_loopback(host) == result


@pytest.mark.parametrize("value", ["Token sesame", "token sesame", "Bearer sesame"])
def test_the_hosted_api_accepts_both_schemes(value: str) -> None:
    assert refused(TOKEN, b"/v1/predictions", authorization=value) is None
    assert refused(TOKEN, b"/v1/predictions", authorization=f"{value}2") == 401


def test_the_container_api_accepts_bearer_alone() -> None:
    assert refused(TOKEN, authorization="Token sesame") == 401


STREAM = "/v1/predictions/p/stream"


def is_refused_with(url: str, method: str = "GET", path: str = STREAM) -> bool:
    scope = {
        "method": method,
        "raw_path": path.encode(),
        "query_string": url.partition("?")[2].encode(),
        "headers": [],
    }
    try:
        TOKEN.check(Request(scope, no_body))
    except HttpError:
        return True
    return False


def test_a_signature_stands_for_the_token_at_its_own_path() -> None:
    url = signed_url("", STREAM, "sesame")
    assert not is_refused_with(url)
    assert not is_refused_with(url, "HEAD")
    assert is_refused_with(url, "POST")
    assert is_refused_with(url, path="/v1/predictions/q/stream")
    assert is_refused_with(url, path="/predictions/p")


@pytest.mark.parametrize("query", ["", "?signature=", "?signature=x", "?signature=%ff", "?x=1"])
def test_other_signatures_are_refused(query: str) -> None:
    assert is_refused_with(f"{STREAM}{query}")
    assert is_refused_with(signed_url("", STREAM, "sesame2"))


def test_without_a_token_urls_are_not_signed() -> None:
    assert signed_url("http://a.test", STREAM, None) == f"http://a.test{STREAM}"


def test_the_page_s_own_files_need_no_token_but_still_the_right_host() -> None:
    paths = frozenset({b"/ui/main.js"})
    page = Access("sesame", is_loopback=True, allowed_hosts=frozenset(), open_paths=paths)
    assert refused(page, b"/ui/main.js") is None
    assert refused(page, b"/ui/main.js", host="evil.example") == 403
    assert refused(page, b"/ui/data/events") == 401
    assert refused(TOKEN, b"/ui/main.js") == 401
