"""The documentation site in Chromium: search and themes work, and nothing is loaded from elsewhere."""

import contextlib
import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.browser import CHROMIUM, Page, browser_page
from testing.ports import HOST
from testing.site import build_site

pytestmark = [
    pytest.mark.ours("docs/documentation.md"),
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: run scripts/test"),
]
STARTED = "document.readyState === 'complete' && document.documentElement.classList.contains('js')"
# Typed again until there is a result: the theme does not say when it has read the index.
SEARCH = """(() => {
  const query = document.querySelector("input.md-search__input");
  query.focus(); query.value = %s;
  query.dispatchEvent(new KeyboardEvent("keyup", {bubbles: true}));
  return [...document.querySelectorAll('.md-search-result__link')].some(link => link.href.includes(%s));
})()"""
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a log."""

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `scripts/docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    build_site(folder)
    return folder


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The URL at which the folder is served."""
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer((HOST, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def assert_loaded_from(page: Page, origin: str) -> None:
    foreign = [url for url in page.requested if not url.startswith((origin, "data:", "blob:", "about:"))]
    assert not foreign
    assert page.complaints == []


def search(page: Page, text: str, expected: str) -> None:
    """Type into the search, and wait for a result on the expected page."""
    page.wait(STARTED)
    page.wait(SEARCH % (json.dumps(text), json.dumps(expected)))


def test_from_a_web_server(site: Path, tmp_path: Path) -> None:
    with served(site) as url, browser_page(tmp_path) as page:
        page.open(f"{url}index.html")
        search(page, "COG_QUEUE_TIMEOUT", "configuration.html")
        assert_loaded_from(page, url)


def test_both_themes(site: Path, tmp_path: Path) -> None:
    with served(site) as url, browser_page(tmp_path) as page:
        page.open(f"{url}python.html")
        page.wait(STARTED)
        before = page.run(BACKGROUND)
        page.run("document.querySelector('label[title=\"Dark theme\"]').click()")
        page.wait(f"{BACKGROUND} !== {json.dumps(before)}")
        assert_loaded_from(page, url)


def test_from_a_disk(site: Path, tmp_path: Path) -> None:
    with browser_page(tmp_path) as page:
        page.open((site / "index.html").as_uri())
        search(page, "At capacity", "troubleshooting.html")
        assert_loaded_from(page, site.as_uri())
