"""A page at /ui, opened in a browser."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from integration.browser import CHROMIUM, Page, browser_page
from testing.official_client import url_of
from testing.server import Server


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """A browser for the tests of the page."""
    if CHROMIUM is None:
        pytest.skip("CANNOT RUN HERE: the page in a browser: chromium is missing")
    with browser_page(profile) as page:
        yield page


def show(page: Page, server: Server, view: str = "try") -> None:
    """Open a view of a server's page and wait until it has the model's schema and events."""
    page.complaints.clear()
    page.requested.clear()
    page.open(f"{url_of(server)}/ui/#{view}")
    page.wait("document.querySelector('#fields .field') !== null")
    page.run("globalThis.text = (selector) => document.querySelector(selector).textContent")
    page.wait("document.querySelector('#health').textContent === 'READY'")


def fill(page: Page, **values: Any) -> None:
    """Enter values into the form."""
    for name, value in values.items():
        page.run(f"document.querySelector('#input-{name}').value = {json.dumps(str(value))}")


def run(page: Page) -> str:
    """Run the prediction in the form, and return the status line at its end."""
    page.run("document.querySelector('#run').click()")
    status: str = page.wait("!document.querySelector('#run').disabled && text('#status')")
    return status


def text(page: Page, selector: str) -> str:
    """Return the text of an element."""
    found: str = page.run(f"document.querySelector({json.dumps(selector)}).textContent")
    return found
