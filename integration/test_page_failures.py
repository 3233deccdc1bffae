"""The page at /ui in a browser, where something is missing: records, a secure context, access."""

from collections.abc import Iterator

import pytest
from integration.browser import Page
from integration.conftest import Serve
from integration.page_serving import browser, run, show, text
from testing.model import Model

pytestmark = pytest.mark.ours("operations.md 4: the peer has no page")


NOISY = """
import time

from cog import BasePredictor


class Predictor(BasePredictor):
    def predict(self, count: int) -> int:
        for number in range(count):
            print(number, flush=True)
            time.sleep(0.001)
        return count
"""


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


def test_what_is_printed_while_the_status_changes_is_shown_once(page: Page, serve: Serve) -> None:
    with serve(Model(NOISY), variables={"COG_QUEUE_SIZE": "10"}) as server:
        assert server.start({"count": 60_000}, id="blocks").status == 202
        assert server.start({"count": 60_000}, id="follows").status == 202
        show(page, server, "predictions/follows")
        page.wait("text('#record-status') === 'starting'")
        server.cancel("blocks")
        page.wait("text('#record-status') === 'processing' && text('#record-logs').includes('\\n500\\n')")
        lines = text(page, "#record-logs").splitlines()
        assert lines == [str(number) for number in range(len(lines))]
        server.cancel("follows")
        page.wait("text('#record-status') === 'canceled'")


FOLLOW = """import("./prediction.js").then(async ({ PredictionView }) => {
  const { ApiServer } = await import("./api.js");
  const view = new PredictionView(() => {}, () => null);
  const server = new ApiServer(null, async () => null);
  const fetched = server.fetch;
  const elsewhere = (path) => path.replace("/ui/data/progress", "/none");
  server.fetch = (method, path, options) => fetched.call(server, method, elsewhere(path), options);
  view.use(server);
  view.open("slow");
  document.querySelector("#record").hidden = false;
})"""


def test_a_record_is_followed_without_events(page: Page, serve: Serve) -> None:
    with serve(Model(NOISY)) as server:
        show(page, server)
        assert server.start({"count": 60_000}, id="slow").status == 202
        page.run(FOLLOW)
        page.wait("text('#record-status') === 'processing'")
        page.run("document.querySelector('#record-cancel').click()")
        page.wait("text('#record-status') === 'canceled'")
