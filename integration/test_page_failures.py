"""The page at /ui in a browser, where something is missing: records, a secure context, access."""

from collections.abc import Iterator

import pytest
from integration.browser import Page
from integration.conftest import Serve
from integration.page_serving import browser, run, show, text

pytestmark = pytest.mark.ours("operations.md 4: the peer has no page")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def test_results_are_shown_without_records(page: Page, serve: Serve) -> None:
    with serve("echo", variables={"COG_RECORDS": "off"}) as server:
        show(page, server)
        page.run(
            "for (const field of document.querySelectorAll('#fields textarea')) field.value = 'heard'; 0"
        )
        assert run(page).startswith("succeeded")
        assert "heard" in text(page, "#output")
