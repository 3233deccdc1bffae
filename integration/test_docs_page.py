"""The documentation page of a model, as a browser gets it."""

import re
from collections.abc import Iterator

import pytest
from integration.conftest import Serve
from testing.server import Server

pytestmark = pytest.mark.ours("runtime.md 0.4: the peer advertises /docs and has none")


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("echo") as running:
        yield running


def test_the_page_loads_only_what_this_server_serves(server: Server) -> None:
    page = server.request("GET", "/docs")
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 4
    for address in loaded:
        assert server.request("GET", f"/{address}").status == 200, address


def test_the_page_shows_this_server_s_schema(server: Server) -> None:
    assert "openapi.json" in server.request("GET", "/docs/start.js").text
    assert server.request("GET", "/openapi.json").status == 200


@pytest.mark.parametrize("name", ["index.html", "swagger-ui.css.map", "..%2f__init__.py"])
def test_nothing_else_of_the_package_is_served(server: Server, name: str) -> None:
    assert server.request("GET", f"/docs/{name}").status == 404
