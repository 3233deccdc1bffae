"""Who may see the page at /ui: the token, servers that are open to the network, other sites' pages."""

import json
import signal
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from integration.browser import Page
from integration.conftest import Serve
from integration.page_serving import browser, text
from testing.official_client import url_of
from testing.server import Server

pytestmark = pytest.mark.ours("operations.md 4: the peer has no page")

DATA = ("/ui/data/events", "/ui/data/progress?id=a")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def guarded(serve: Serve) -> Iterator[Server]:
    with serve("echo", variables={"COG_API_TOKEN": "sesame"}) as running:
        yield running


def test_without_the_token_only_the_page_s_own_files_are_served(guarded: Server) -> None:
    for path in ("/ui", "/ui/", "/ui/main.js", "/ui/style.css", "/ui/config"):
        assert guarded.request("GET", path).status in (200, 308), path
    for path in (*DATA, "/ui/none.js", "/ui/../predictions", "/openapi.json", "/predictions"):
        assert guarded.request("GET", path).status == 401, path


def test_the_page_asks_for_the_token(page: Page, guarded: Server) -> None:
    page.open(f"{url_of(guarded)}/ui/#predictions")
    page.wait("document.querySelector('#token-dialog')?.open")
    give = (
        "document.querySelector('#token').value = {!r}; document.querySelector('#token-form').requestSubmit()"
    )
    page.run(give.format("wrong"))
    page.wait("document.querySelector('#token-problem').textContent.includes('did not accept')")
    page.run(give.format("se\u2026same"))  # no header can have it
    page.wait("document.querySelector('#token-problem').textContent.includes('only ASCII')")
    page.run(give.format("sesame"))
    page.wait("document.querySelector('#health').textContent === 'READY'")
    page.wait("document.querySelector('#no-rows').textContent.startsWith('No predictions yet')")
    assert not page.run("document.querySelector('#token-dialog').open")
    page.reload()
    page.wait("document.querySelector('#health')?.textContent === 'READY'")
    assert [url for url in page.requested if "sesame" in url] == []
    page.run("location.hash = '#try'")
    page.wait("document.querySelector('#fields .field') !== null")
    page.run("document.querySelector('[data-tab=code]').click()")
    page.wait("document.querySelector('#code-text').textContent.includes('Bearer $COG_API_TOKEN')")
    assert "sesame" not in text(page, "body")


def test_without_a_token_the_page_asks_once(page: Page, guarded: Server) -> None:
    page.open(f"{url_of(guarded)}/ui/")
    page.wait("document.querySelector('#token-dialog') !== null")
    page.run("sessionStorage.clear()")
    page.reload()
    page.wait("document.querySelector('#token-dialog')?.open")
    page.run("document.querySelector('#token-cancel').click()")
    page.wait("document.querySelector('#health').textContent === 'no token'")
    page.wait("document.querySelector('#schema').textContent.startsWith('no schema: ')")
    assert not page.run("document.querySelector('#token-dialog').open")


def test_a_server_that_is_open_to_the_network_has_no_page_unless_asked(serve: Serve) -> None:
    with serve("echo", host="0.0.0.0") as running:
        assert running.request("GET", "/ui/").status == 404
        assert running.request("GET", DATA[0]).status == 404
    with serve("echo", host="0.0.0.0", variables={"COG_UI": "on"}) as running:
        assert running.request("GET", "/ui/").status == 200


@pytest.mark.parametrize("token", [None, "sesame"])
def test_unauthenticated_clients_see_nothing_of_the_processes_and_the_last_hour(
    serve: Serve, token: str | None
) -> None:
    """They see what the health check has. Who has the token sees the rest."""
    variables = {"COG_UI": "on", **({} if token is None else {"COG_API_TOKEN": token})}
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with serve("echo", host="0.0.0.0", variables=variables) as running:
        with httpx.stream("GET", f"{url_of(running)}/ui/data/events", headers=headers) as answer:
            events: dict[str, Any] = {}
            lines = answer.iter_lines()
            while "setup" not in events or (token is not None and "history" not in events):
                name, data = next(lines).removeprefix("event: "), next(lines).removeprefix("data: ")
                events[name] = json.loads(data)
                assert next(lines) == ""
        [worker] = events["server"]["workers"]
        shown = (worker["pid"], worker["memory_bytes"], events["server"]["memory_bytes"])
        assert ("history" in events, all(shown), any(shown)) == ((token is not None,) * 3)


def test_the_page_can_be_removed(serve: Serve) -> None:
    with serve("echo", variables={"COG_UI": "off"}) as running:
        for path in ("/ui", "/ui/", "/ui/main.js", "/ui/config", *DATA):
            assert running.request("GET", path).status == 404, path


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("echo") as running:
        yield running


@pytest.mark.parametrize("header", ["host", "origin"])
def test_other_sites_pages_get_nothing(server: Server, header: str) -> None:
    foreign = {"host": "evil.example", "origin": "https://evil.example"}
    for path in ("/ui", "/ui/", "/ui/main.js", "/ui/config", *DATA):
        assert server.request("GET", path, headers={header: foreign[header]}).status == 403, path


def test_the_policy_allows_no_inline_script(server: Server) -> None:
    for path in ("/ui/", "/ui/main.js", "/ui/icon.svg"):
        answer = server.request("GET", path)
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert policy.startswith("default-src 'none'; script-src 'self'; ")
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["none.js", "..%2froutes.py", "%2e%2e/routes.py", "__init__.py", "data"])
def test_nothing_else_of_the_package_is_served(server: Server, name: str) -> None:
    assert server.request("GET", f"/ui/{name}").status == 404


def test_events_end_when_the_server_shuts_down(serve: Serve) -> None:
    with serve("echo") as running:
        with httpx.stream("GET", f"{url_of(running)}/ui/data/events") as answer:
            lines = answer.iter_lines()
            assert next(lines) == "event: ready"
            running.process.send_signal(signal.SIGTERM)
            for _ in lines:  # to the end
                pass
        assert running.process.wait(10) == 0
