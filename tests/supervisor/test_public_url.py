"""replicate-api.md 4: the URLs in responses."""

import ipaddress

import pytest

from coglet_supervisor.http.public_url import PublicUrl
from coglet_supervisor.http.request import Message, Request

PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::1"))
FORWARDED = {
    "x_forwarded_proto": "https, http",
    "x_forwarded_host": "public.test, inner",
    "x_forwarded_prefix": "/models/a/",
}


async def no_body() -> Message:
    raise AssertionError("the body is not read")


def request(headers: dict[str, str], client: tuple[str, int] | None = ("10.1.2.3", 1)) -> Request:
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "method": "GET",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [(b"host", b"server:5000"), *fields],
        "client": client,
    }
    return Request(scope, no_body)


def test_the_host_of_the_request() -> None:
    url = PublicUrl(None).of(request(FORWARDED), "predictions", "a/b", query="x=1")
    assert url == "http://server:5000/predictions/a%2Fb?x=1"


def test_the_setting_takes_precedence() -> None:
    assert PublicUrl("https://a.test/x", PROXIES).base_of(request(FORWARDED)) == "https://a.test/x"


@pytest.mark.parametrize("address", ["10.1.2.3", "fd00::1", "::ffff:10.1.2.3"])
def test_what_a_proxy_says(address: str) -> None:
    base = PublicUrl(None, PROXIES).base_of(request(FORWARDED, (address, 1)))
    assert base == "https://public.test/models/a"


def test_a_proxy_that_says_nothing() -> None:
    assert PublicUrl(None, PROXIES).base_of(request({})) == "http://server:5000"


@pytest.mark.parametrize("client", [("11.0.0.1", 1), ("fd00::2", 1), ("", 0), None])
def test_others_are_not_believed(client: tuple[str, int] | None) -> None:
    assert PublicUrl(None, PROXIES).base_of(request(FORWARDED, client)) == "http://server:5000"


@pytest.mark.parametrize(
    ("name", "value"),
    [("x_forwarded_host", "a b"), ("x_forwarded_host", "a/b"), ("x_forwarded_prefix", "//evil.test")],
)
def test_what_cannot_be_part_of_a_url(name: str, value: str) -> None:
    assert PublicUrl(None, PROXIES).base_of(request({name: value})) == ""
