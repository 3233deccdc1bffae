"""docs/http.md shows what a server answers."""

import pytest
from documentation import http_interface
from testing.pages import DOCS

pytestmark = pytest.mark.ours("docs/http.md")


def test_the_page_shows_the_answers_of_a_server() -> None:
    shown = (DOCS / "http.md").read_text()
    assert http_interface.page() == shown, "docs/http.md is out of date: run scripts/docs generate"
