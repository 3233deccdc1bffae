"""The page at /ui in a browser: secrets, also in lists, are not legible, linked, or run as masks."""

import json
from collections.abc import Iterator
from urllib.parse import unquote

import pytest
from integration.browser import Page
from integration.conftest import Serve
from integration.page_serving import browser, fill, run, show, text
from testing.model import Model
from testing.server import Server
from testing.waiting import wait_for

pytestmark = pytest.mark.ours("operations.md 4: the peer has no page")

KEYS = """
from cog import BasePredictor, Secret


class Predictor(BasePredictor):
    def predict(self, keys: list[Secret], name: str, key: Secret = None) -> int:
        return len(keys)
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve(Model(KEYS)) as running:
        wait_for(lambda: running.health()["status"] == "READY", "ready")
        yield running


def test_a_link_has_no_secrets(page: Page, server: Server) -> None:
    show(page, server)
    assert page.run("document.querySelector('#input-keys').type") == "password"
    fill(page, keys='["hush", "quiet"]', key="silent", name="legible")
    page.run("navigator.clipboard.writeText = async (link) => { globalThis.link = link; }")
    page.run("document.querySelector('#copy-link').click()")
    link = unquote(page.wait("globalThis.link"))
    assert json.loads(link.partition("?input=")[2]) == {"name": "legible"}
    assert run(page).startswith("succeeded")
    assert text(page, "#output") == "2"


def test_masks_are_not_run(page: Page, server: Server) -> None:
    given = {"keys": ["hush"], "key": "silent", "name": "x"}
    assert server.predict(given, id="masked").status == 200
    show(page, server, "predictions/masked")
    page.wait("text('#record-status') === 'succeeded'")
    page.run("document.querySelector('#record-again').click()")
    page.wait("document.querySelector('#input-name')?.value === 'x'")
    assert not page.run("document.querySelector('#run').disabled")
    assert text(page, "#status") == "No prediction yet."
    assert (
        page.run("document.querySelector('#input-keys').value + document.querySelector('#input-key').value")
        == ""
    )
    assert json.loads(page.run("document.querySelector('#json').value")) == {"name": "x"}


def test_a_link_without_a_clipboard_leaves_the_form(page: Page, server: Server) -> None:
    show(page, server)
    fill(page, keys='["hush"]', name="legible")
    # As on a server without TLS.
    page.run("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.run("document.querySelector('#copy-link').click()")
    page.wait("location.hash.includes('legible')")
    page.run("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    assert page.run("document.querySelector('#input-keys').value") == '["hush"]'
